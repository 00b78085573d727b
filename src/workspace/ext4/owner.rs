//! Gives all files of a new file system to one owner. `mke2fs -d` keeps the numbers that files have on the laptop,
//! which mean somebody else on a machine in the cloud.

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::inode::owned;
use super::{Ext4, FileDisk, Result};
use crate::workspace::{FileKind, WorkspaceError};

const TOP: u32 = 2;

/// All that is below the top belongs to `uid` and `gid` from now on. Returns how many files there are. The image is
/// one that nobody has mounted yet.
///
/// # Errors
/// It cannot be read or written.
pub fn give(image: &Path, uid: u32, gid: u32) -> Result<u64> {
    let open = File::options().read(true).write(true).open(image);
    let file = open.map_err(WorkspaceError::io("open", image))?;
    let own = file
        .try_clone()
        .map_err(WorkspaceError::io("open", image))?;
    let mut fs = Ext4::open(Box::new(FileDisk::new(own, image.display().to_string())))?;
    let mut left = vec![TOP];
    let mut been = HashSet::from([TOP]);
    while let Some(number) = left.pop() {
        let inode = fs.inode(number)?;
        for named in fs.names(&inode)? {
            if !been.insert(named.inode) {
                continue;
            }
            let at = fs.inode_at(named.inode)?;
            let length = usize::try_from(fs.superblock.inode_size).unwrap_or_default();
            let mut bytes = vec![0; length];
            fs.disk.read(at, &mut bytes)?;
            owned(named.inode, &mut bytes, uid, gid, fs.superblock.seed);
            file.write_all_at(&bytes, at)
                .map_err(WorkspaceError::io("write", image))?;
            if fs.inode(named.inode)?.kind == FileKind::Directory {
                left.push(named.inode);
            }
        }
    }
    Ok(u64::try_from(been.len())
        .unwrap_or(u64::MAX)
        .saturating_sub(1))
}
