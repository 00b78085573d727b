//! `remote` and the AWS SDK against an EC2 on this machine (docs/LAB.md): moto behind the API, real machines
//! behind the instances.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod api;
#[cfg(feature = "soak")]
mod at_length;
mod bare;
mod blank;
mod boot;
mod boxes;
mod compute;
mod cost;
mod crowd;
mod direct;
mod doctor;
mod each_stage;
mod ec2_box;
mod ec2_faults;
mod ec2_launch;
mod ec2_left;
mod ec2_words;
mod ec2_world;
mod everyone;
mod fleets;
mod from;
mod guest;
mod harness;
mod hooks;
mod iam;
mod init;
mod interrupted;
mod ipv6;
mod kept;
mod network;
mod never_lost;
mod outlives;
mod overheads;
mod panes;
mod person;
mod placed;
mod places;
mod promise;
mod rented;
mod repository;
mod resume;
mod schema;
mod secrets;
mod session;
mod soak;
mod stops;
#[path = "../host/stream.rs"]
mod stream;
mod ttl;
mod unpulled;
mod vms;
mod volumes;
mod words;
mod workspace_words;
mod workspaces;

#[test]
fn every_file_is_a_module() {
    common::assert_all_modules(
        "tests/lab",
        &[
            "api",
            "at_length",
            "bare",
            "blank",
            "boot",
            "boxes",
            "compute",
            "cost",
            "crowd",
            "direct",
            "doctor",
            "each_stage",
            "ec2_box",
            "ec2_faults",
            "ec2_launch",
            "ec2_left",
            "ec2_words",
            "ec2_world",
            "everyone",
            "fleets",
            "from",
            "guest",
            "harness",
            "hooks",
            "iam",
            "init",
            "interrupted",
            "ipv6",
            "kept",
            "network",
            "never_lost",
            "outlives",
            "overheads",
            "panes",
            "person",
            "placed",
            "places",
            "promise",
            "rented",
            "repository",
            "resume",
            "schema",
            "secrets",
            "session",
            "soak",
            "stops",
            "ttl",
            "unpulled",
            "vms",
            "volumes",
            "words",
            "workspace_words",
            "workspaces",
        ],
    );
}
