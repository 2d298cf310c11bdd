//! What a platform said it is still doing is waited for until it is done, also by the next run.
