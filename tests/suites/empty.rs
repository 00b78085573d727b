//! Cargo asks for a source file where it only has to bring packages.
