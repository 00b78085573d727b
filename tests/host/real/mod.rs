//! Real agents' programs against a stand-in for their models: each is started, thinks, asks, is answered, works
//! and ends its turn, and the host is to know which. With REMOTE_RECORD_STATES=DIR what they do is recorded
//! there, with the right states beside it; the corpus in tests/states/ is made so.

mod agents;
mod four;
mod model;
mod program;
mod scene;
