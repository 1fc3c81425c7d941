"""HDF5 files: ordinary ones are read without the library and its global lock, all others in a child process."""
