//! (being built)

mod attachment;
mod ends;
mod environment;
mod files;
mod flow;
mod logfile;
mod processes;
mod ring;
mod state;
mod wrapup;
