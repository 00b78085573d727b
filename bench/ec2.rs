//! `cargo bench --bench peers -- [--write] ec2`: what `remote` itself adds on EC2, in the lab (docs/LAB.md). Its
//! measures have names of their own, `ec2-box` and so on, and its own part of docs/PERFORMANCE.md.

mod calls;
mod dispatch;
mod record;
mod status;

use crate::report::Section;

type Measure = fn() -> Vec<Section>;

pub const MEASURES: [(&str, Measure); 3] = [
    ("ec2-box", dispatch::on_boxes),
    ("ec2-vm", dispatch::on_vms),
    ("ec2-status", status::measure),
];
