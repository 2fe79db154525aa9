"""House Prices (Ames): what was a house sold for? The error of the logarithm of the price."""

from kit.competition import Competition
from kit.config import Config
from kit.inputs import Table
from kit.labels import Numbers
from kit.metrics import rmsle

competition = Competition(
    slug="house-prices-advanced-regression-techniques",
    id="Id",
    inputs=Table(categories=("MSSubClass",)),
    labels=Numbers(("SalePrice",), log=True),
    metric=rmsle,
)
presets = {
    "fast": Config(model="mlp", width=128, epochs=60, batch=64, lr=3e-3, weight_decay=0.3, dropout=0.1),
    "best": Config(model="mlp", width=256, epochs=120, batch=64, lr=3e-3, weight_decay=0.3, dropout=0.1),
}
