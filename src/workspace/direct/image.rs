//! A directory as the file system of a new workspace: made here by mke2fs, without root and without mounting it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::fs::SeekFrom;

use super::{BLOCK, Result, interrupted, price_of_put};
use crate::provision::user_data::AGENT_UID;
use crate::workspace::{Fetched, WorkspaceError, ext4};

/// As remote-root's own mkfs names it: nothing else is mounted.
const LABEL: &str = "remote-work";
/// What the e2fsck of every image knows; newer ones make what older ones refuse.
const FEATURES: &str = "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,\
                        large_file,huge_file,dir_nlink,extra_isize,metadata_csum";
/// Where it is on systems whose PATH does not have it.
const PLACES: [&str; 5] = [
    "/usr/sbin",
    "/sbin",
    "/usr/local/sbin",
    "/opt/homebrew/opt/e2fsprogs/sbin",
    "/usr/local/opt/e2fsprogs/sbin",
];

/// An image that can be put into a snapshot.
pub struct Image {
    pub(super) file: tempfile::NamedTempFile,
    pub(super) gib: u32,
    /// The blocks that hold data.
    pub(super) blocks: Vec<u32>,
    /// How many files and directories are in it.
    pub files: u64,
}

impl Image {
    /// Makes an image of `gib` GiB of all that is in `dir`, all of it the agents' user's. It lies in `scratch`,
    /// sparse, for as long as this does.
    ///
    /// # Errors
    /// mke2fs is not installed, the directory cannot be read, or does not fit.
    pub async fn of_dir(dir: &Path, gib: u32, scratch: &Path) -> Result<Self> {
        let program = mke2fs()?;
        std::fs::create_dir_all(scratch).map_err(WorkspaceError::io("make", scratch))?;
        let made = tempfile::Builder::new()
            .prefix("image-")
            .tempfile_in(scratch);
        let file = made.map_err(WorkspaceError::io("make a file in", scratch))?;
        let command = tokio::process::Command::new(&program)
            .args([
                "-q", "-F", "-t", "ext4", "-L", LABEL, "-m", "0", "-b", "4096", "-I", "256",
            ])
            .args(["-O", FEATURES, "-E"])
            .arg("nodiscard,lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0")
            .arg("-d")
            .arg(dir)
            .arg(file.path())
            .arg(format!("{gib}G"))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await;
        let ran = command.map_err(WorkspaceError::io("run", &program))?;
        if !ran.status.success() {
            let said = String::from_utf8_lossy(&ran.stderr);
            let why = said
                .trim()
                .lines()
                .last()
                .unwrap_or("it said nothing")
                .to_owned();
            return Err(WorkspaceError::Refused(format!(
                "no file system of {gib} GiB could be made of {}: {why}",
                dir.display()
            )));
        }
        let filled = tokio::task::spawn_blocking(move || {
            let files = ext4::give(file.path(), AGENT_UID, AGENT_UID)?;
            let blocks =
                with_data(file.as_file()).map_err(WorkspaceError::io("read", file.path()))?;
            Ok(Self {
                file,
                gib,
                blocks,
                files,
            })
        });
        filled.await.map_err(|_| interrupted())?
    }

    /// What putting it into a snapshot takes.
    pub fn price(&self) -> Fetched {
        price_of_put(u64::try_from(self.blocks.len()).unwrap_or(u64::MAX))
    }
}

fn mke2fs() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(PLACES.map(PathBuf::from));
    let mut programs = places.map(|dir| dir.join("mke2fs"));
    programs.find(|p| p.is_file()).ok_or_else(|| {
        WorkspaceError::Refused(
            "a directory becomes a workspace through mke2fs, which is not installed here: install the package \
             `e2fsprogs`, or create the workspace empty and copy with `remote cp`"
                .to_owned(),
        )
    })
}

/// The blocks of a sparse file that are not zeros.
fn with_data(file: &File) -> std::io::Result<Vec<u32>> {
    use std::os::unix::fs::FileExt;
    let size = file.metadata()?.len();
    let length = usize::try_from(BLOCK).unwrap_or_default();
    let (mut found, mut at) = (Vec::new(), 0);
    let mut block = vec![0; length];
    while at < size {
        // Past the last byte of data there is none to seek to.
        let Ok(data) = rustix::fs::seek(file, SeekFrom::Data(at)) else {
            break;
        };
        let end = rustix::fs::seek(file, SeekFrom::Hole(data)).unwrap_or(size);
        for index in (data / BLOCK).max(at.div_ceil(BLOCK))..end.div_ceil(BLOCK) {
            let from = index.saturating_mul(BLOCK);
            let inside = usize::try_from(size.saturating_sub(from)).unwrap_or(length);
            let part = block.get_mut(..inside.min(length)).unwrap_or_default();
            file.read_exact_at(part, from)?;
            if part.iter().any(|b| *b != 0) {
                found.extend(u32::try_from(index));
            }
        }
        // What is left of the last block has been looked at.
        at = end.div_ceil(BLOCK).saturating_mul(BLOCK);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn only_blocks_that_hold_data_are_found() -> std::io::Result<()> {
        let file = tempfile::tempfile()?;
        file.set_len(10 * BLOCK + 5)?;
        assert_eq!(with_data(&file)?, [0; 0]);
        for at in [BLOCK - 1, 4 * BLOCK, 4 * BLOCK + 8192, 10 * BLOCK + 4] {
            file.write_all_at(&[1], at)?;
        }
        // Written, and zeros all the same.
        file.write_all_at(&[0; 4096], 7 * BLOCK)?;
        assert_eq!(with_data(&file)?, [0, 4, 10]);
        Ok(())
    }
}
