"""What all jobs share, whichever engine runs them: from the command line to the manifest."""
