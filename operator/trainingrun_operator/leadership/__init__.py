"""One operator leads: it alone writes to the cluster and takes the workers' reports; any other waits."""
