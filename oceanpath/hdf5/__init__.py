"""HDF5 files: ordinary ones read without the library and its global lock, all others in a child process."""
