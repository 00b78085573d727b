//! The lab's own checks, in Python: each hooked call through boto3, names held against botocore's model.

use std::process::Command;
use std::time::Duration;

use crate::common::process::run;
use crate::harness::{Lab, Machines, directory, paths};

#[test]
fn every_hooked_call_fits_botocores_model_and_the_documentation() {
    let lab = Lab::start(Machines::None);
    let mut command = Command::new(&paths().0);
    command
        .args(["-m", "ec2lab.check", &lab.endpoint])
        .arg(directory().join("../../docs/LAB.md"))
        .current_dir(directory());
    let ran = run(&mut command, b"", Duration::from_secs(120));
    assert_eq!(ran.code, 0, "{}", ran.all());
    // What does not fit the model is among the lab's complaints, which its end looks at.
}
