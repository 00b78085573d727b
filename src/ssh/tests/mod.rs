//! Against the real thing: OpenSSH's sshd, ssh, ssh-agent and ssh-keygen, each started here.

mod auth;
mod channels;
mod fixture;
mod hostkeys;
mod local;
mod questions;
mod stock;
mod terminals;
