"""Files that people send and that come with MMS: upload, what they are, how they travel, and who may see them."""
