"""Image formats: the values of pictures as their files hold them, where Pillow alone gives fewer bits or bands, or none."""
