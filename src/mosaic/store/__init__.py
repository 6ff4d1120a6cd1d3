"""Where records and blobs are kept: the Store protocol, the embedded store, blobs in files."""
