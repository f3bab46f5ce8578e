//! Every operation and every error.
