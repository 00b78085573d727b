//! `remote` and the AWS SDK against an EC2 on this machine (docs/LAB.md): moto behind the API, real machines
//! behind the instances.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod api;
mod bare;
mod boot;
mod boxes;
mod cost;
mod ec2_box;
mod ec2_faults;
mod ec2_launch;
mod ec2_left;
mod ec2_words;
mod ec2_world;
mod guest;
mod harness;
mod hooks;
mod rented;
mod schema;
mod session;
mod vms;
mod volumes;

#[test]
fn every_file_is_a_module() {
    common::assert_all_modules(
        "tests/lab",
        &[
            "api",
            "bare",
            "boot",
            "boxes",
            "cost",
            "ec2_box",
            "ec2_faults",
            "ec2_launch",
            "ec2_left",
            "ec2_words",
            "ec2_world",
            "guest",
            "harness",
            "hooks",
            "rented",
            "schema",
            "session",
            "vms",
            "volumes",
        ],
    );
}
