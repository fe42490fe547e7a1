/* cuRAND: the provider links against it and calls nothing of it. */
static int unused;
