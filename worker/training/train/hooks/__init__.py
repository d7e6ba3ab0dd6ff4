"""mmengine hooks of a training, one per file, which mmengine's Runner calls at fixed points of its loop."""
