//! A volume's files with no machine: images that mke2fs and the kernel make, behind the lab's volumes, snapshot and
//! read through the real SDK.

mod amid;
mod damage;
mod faults;
mod journal;
#[cfg(feature = "soak")]
mod length;
mod read;
mod seed;
mod verbs;
mod world;
