"""Why a beat got its label: the beat found, put into words, as a picture."""
