"""The faults the kit must survive, at full length: `bash scripts/faults.sh [NAME …]` prints a line for each with its count."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import clusters
import kills
import pictures
import processes
import run_files
from counting import Fault, tested

RUNS, WORKERS, COMFORTS = (
    "pipeline/test_resume.py::test_",
    "training/test_workers.py::test_",
    "training/test_comforts.py::test_",
)
FAULTS = [
    Fault("killed", "kill -9 at 20 random moments of a run → the same command: the same bytes", processes.killed),
    Fault("signalled", "SIGTERM, SIGINT, SIGHUP, 5 each → saved in 10 s, code 128+n; then the same bytes", processes.signalled),
    Fault(
        "killed_writers",
        "30 kills while a checkpoint is written → none unreadable, nothing left behind",
        processes.killed_writers,
    ),
    Fault("full_disk", "10 disks too small for a run → code 74; with more room the same bytes", processes.full_disk),
    Fault(
        "damaged",
        "50 truncations and bit flips of the newest checkpoint → the one before is used, and it is said",
        processes.damaged,
    ),
    Fault(
        "changed_run",
        "resume with another configuration, other data, other folds → refused with the difference",
        tested(
            *(
                RUNS + name
                for name in (
                    "another_configuration_is_refused_with_the_difference",
                    "other_data_is_refused",
                    "another_fold_plan_is_refused",
                )
            )
        ),
    ),
    Fault(
        "two_processes",
        "two processes on one run → the second is refused and names the first",
        tested(
            RUNS + "a_second_process_on_one_run_is_refused", RUNS + "a_process_on_one_fold_refuses_only_who_wants_this_fold"
        ),
    ),
    Fault(
        "budgets",
        "20 time budgets, the clock moved by a day → in time, valid, a resume has its own",
        processes.budgets,
    ),
    Fault(
        "failing_fold",
        "a fold raises → the others stay, only it is trained again",
        tested(RUNS + "a_fold_that_fails_leaves_the_others_alone"),
    ),
    Fault(
        "dead_workers",
        "a data worker is killed or hangs → replaced once, then its cause is named",
        tested(
            *(
                WORKERS + name
                for name in (
                    "a_worker_that_dies_is_replaced_and_changes_nothing",
                    "a_worker_that_hangs_is_replaced_in_time",
                    "workers_that_die_again_end_the_run_with_their_cause",
                    "a_run_whose_worker_is_killed_in_mid_step_ends_with_the_same_bytes",
                )
            )
        ),
    ),
    Fault(
        "worker_errors",
        "an exception in a worker → file and row are named",
        tested(
            WORKERS + "a_fault_in_a_worker_is_not_taken_for_its_death",
            WORKERS + "a_file_that_breaks_later_is_named_by_path_and_id",
        ),
    ),
    Fault("little_shared_memory", "/dev/shm of 4 MB → goes on without workers and says so", pictures.little_shared_memory),
    Fault(
        "out_of_memory",
        "out of memory in a step or a prediction (simulated) → half the batch, nothing trained is lost",
        tested(
            COMFORTS + "out_of_memory_goes_on_in_smaller_parts",
            COMFORTS + "what_was_trained_is_not_lost_to_a_prediction",
            "models/test_on_a_gpu.py::test_predictions_go_on_with_fewer_rows_where_the_memory_is_short",
            "models/test_modules.py::test_every_word_for_a_lack_of_memory_is_known",
        ),
    ),
    Fault("gpu_memory", "a GPU's memory really runs out → as simulated", processes.gpu),
    Fault("little_memory", "limits of a process's memory → it ends well, or advice", processes.little_memory),
    Fault(
        "not_finite",
        "a loss that is not finite → training ends in words",
        tested(
            "models/test_modules.py::test_training_that_diverges_says_where",
            COMFORTS + "a_loss_that_is_not_finite_from_the_start_is_named",
        ),
    ),
    Fault("half_precision", "fp16 overflows on a GPU → the loss is scaled", processes.gpu),
    Fault(
        "a_last_row",
        "a last batch of one row with batch normalisation → it ends well",
        tested("models/test_modules.py::test_a_last_batch_of_one_row_does_not_break_batch_normalisation"),
    ),
    Fault(
        "ranks",
        "2 ranks, any number of rows → each id once, the bytes of one",
        tested(
            "pipeline/test_ranks.py",
            "training/test_loaders.py::test_ranks_have_the_parts_of_one_process_in_turn_and_step_at_the_same_ones",
        ),
    ),
    Fault(
        "workers",
        "any number of workers → the same samples; epochs differ",
        tested(
            WORKERS + "the_number_of_workers_changes_nothing",
            "training/test_loaders.py::test_workers_change_nothing",
            "training/test_loaders.py::test_photographs_are_augmented_otherwise_in_every_epoch",
        ),
    ),
    Fault(
        "hash_seeds",
        "5 hash seeds, rows in any order → the same folds",
        tested(
            "data/test_folds.py::test_the_folds_are_the_same_for_every_hash_seed",
            "data/test_folds.py::test_the_folds_depend_neither_on_the_order_of_rows_nor_on_what_groups_are_called",
        ),
    ),
    Fault("mutated_tables", "10,000 mutated CSV files → read, or refused by line, in 2 s", pictures.mutated_tables),
    Fault(
        "awkward_ids",
        "ids such as 0001, 1e5, 20 digits, line breaks, Unicode → the same bytes come out",
        tested(
            "storage/test_frames.py::test_text_survives_to_the_byte",
            "storage/test_frames.py::test_an_awkward_id_survives_beside_numbers_and_alone",
            "storage/test_delimited_text.py::test_a_thousand_random_tables_survive_in_every_format",
        ),
    ),
    Fault(
        "labels_like_na",
        "labels NA, None, null → classes; blank → named",
        tested("labels/test_label_faults.py"),
    ),
    Fault(
        "ragged_rows",
        "a field too many, an open quote → code 65, never a shifted column",
        tested(
            "storage/test_frames.py::test_what_is_no_table_is_refused_by_file_and_line",
            "storage/test_delimited_text.py::test_what_has_no_reading_is_refused_by_line",
        ),
    ),
    Fault(
        "encodings",
        "BOM, UTF-16, latin-1, NUL, CR → decoded, or code 65",
        tested(
            "storage/test_frames.py::test_every_usual_encoding_and_line_ending_is_read",
            "storage/test_delimited_text.py::test_every_usual_encoding_is_read_and_a_guess_is_asked_about",
        ),
    ),
    Fault(
        "lookalikes",
        "labels Cat, cat␠, a letter of another script → listed, never one in silence",
        tested("reporting/test_lookalikes.py", "labels/test_answer_spelling.py"),
    ),
    Fault(
        "rare_classes",
        "a class smaller than the folds, a single row, one giant group → it ends well",
        tested("data/test_folds.py"),
    ),
    Fault(
        "duplicates", "equal and re-encoded copies of pictures → found, never in two folds", tested("data/test_duplicates.py")
    ),
    Fault(
        "shuffled_labels",
        "shuffled labels → a score of chance",
        tested("pipeline/test_run.py::test_shuffled_labels_score_as_chance", "pipeline/test_chance.py"),
    ),
    Fault(
        "odd_pictures",
        "24 kinds of odd or broken pictures → read or named, no test row is dropped",
        tested("inputs/test_image_faults.py"),
    ),
    Fault("mutated_pictures", "5,000 mutated pictures of six formats → read, or refused by name", pictures.mutated_pictures),
    Fault(
        "archives",
        "zip, tar, 7z with .., absolute paths, links, bombs → nothing outside, refused",
        tested("storage/test_archives.py", "kaggle/test_download.py::test_a_hostile_or_half_archive_leaves_nothing"),
    ),
    Fault(
        "hostile_files",
        "hostile pickles and checkpoints → nothing is executed",
        tested(
            "storage/test_safe_pickle.py",
            "training/test_checkpoints.py::test_a_hostile_file_is_refused_and_never_executed",
            "storage/test_predictions.py::test_pickles_are_refused",
        ),
    ),
    Fault("offline", "data and HOME read-only, no network → it trains", processes.offline),
    Fault(
        "secrets",
        "a planted token → in no output, log, run or kernel",
        tested(
            "kaggle/test_secrets.py",
            "kaggle/test_kernel.py::test_no_secret_and_no_folder_of_this_machine_is_in_a_kernel",
            "kaggle/test_dataset.py::test_a_planted_token_is_in_no_output_and_in_no_upload",
        ),
    ),
    Fault(
        "submissions",
        "1,000 wrong submissions → refused, never sent",
        tested(
            "competition/test_submission.py",
            "kaggle/test_submit.py::test_hundreds_of_wrong_files_never_reach_the_client_and_right_ones_always_do",
        ),
    ),
    Fault("adapters", "`kit check` of every adapter → 25 checks on made rows", processes.adapters),
    Fault("slurm", "a preempted job of Slurm → saved, requeued once, the same bytes", clusters.slurm),
    Fault(
        "object_store", "data larger than the object store of a Ray cluster → code 74, and what to do", clusters.object_store
    ),
    Fault("dying_disk", "fsync fails with EIO at each of its calls → code 74; then the same bytes", run_files.dying_disk),
    Fault("unreadable", "a table, a run's file, a checkpoint that may not be read → code 74, which file", run_files.unreadable),
    Fault("flipped", "20 flipped bits in each file of a complete run → named by report, predict or run", run_files.flipped),
    Fault(
        "changed_submission",
        "a file of a complete run is changed → named; --rewrite makes it again",
        tested("storage/test_manifest.py"),
    ),
    Fault(
        "swelling_tables",
        "a packed table of 256 MB or more than the memory → refused before it is read",
        tested("storage/test_unpacking.py"),
    ),
    Fault("terminal", "escape sequences and line breaks in names → printed as text", tested("test_console.py")),
    Fault("garbage", "25 kinds of garbage in place of Kaggle's answers → in words, in time", tested("kaggle/test_garbage.py")),
    Fault(
        "killed_commands",
        "10 kills each of blend, tune, export, report, a cache, a download → the same bytes",
        kills.killed_commands,
    ),
    Fault("many_pictures", "300,000 test pictures in a zip → bounded memory", pictures.many_pictures),
]


def main() -> int:
    """Inject the named faults, or all; 1 where one was not held."""
    chosen = [fault for fault in FAULTS if not sys.argv[1:] or fault.name in sys.argv[1:]]
    if unknown := set(sys.argv[1:]) - {fault.name for fault in chosen}:
        print(f"no such fault: {', '.join(sorted(unknown))}. There are: {', '.join(fault.name for fault in FAULTS)}")
        return 2
    lost = 0
    with tempfile.TemporaryDirectory() as name:
        for fault in chosen:
            count = fault.count(Path(name))
            lost += count.held < count.injected
            print(f"{fault.name:21}{fault.about}\n{'':21}{count}", flush=True)
    return int(lost > 0)


if __name__ == "__main__":
    sys.exit(main())
