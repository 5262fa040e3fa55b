"""Keys of a service that pass through to the engine: their translation, and the engines that know them."""
