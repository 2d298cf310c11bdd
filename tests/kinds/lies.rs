//! Lists and reads that lie: what the sandbox's faults do is noticed, not believed.
