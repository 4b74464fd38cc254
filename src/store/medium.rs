//! What a folder lies on: whether its file system is this machine's own, or one across a network.
//!
//! Across a network a link may be made twice, a lock may be nobody's and a sync may be a promise;
//! a site is kept there only when its steward says that they know better.

use std::{io, path::Path};

/// A folder's file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Medium {
    /// Its number, as `statfs` gives it.
    pub magic: u32,
    /// Its name, as far as it is known.
    pub name: &'static str,
    /// Whether it lies across a network, or behind a program that may do as it likes.
    pub is_network: bool,
}

/// File systems across a network, and those that a program answers for (`linux/magic.h`, and the
/// headers of those that are no part of the kernel).
const NETWORK: [(u32, &str); 19] = [
    (0x0000_6969, "NFS"),
    (0x0000_517B, "SMB"),
    (0xFE53_4D42, "SMB2"),
    (0xFF53_4D42, "CIFS"),
    (0x6573_5546, "FUSE"),
    (0x00C3_6400, "Ceph"),
    (0x5346_414F, "AFS"),
    (0x6B41_4653, "kAFS"),
    (0x7375_7245, "Coda"),
    (0x0000_564C, "NCP"),
    (0x0102_1997, "9P"),
    (0x0116_1970, "GFS2"),
    (0x7461_636F, "OCFS2"),
    (0x0BD0_0BD0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
    (0xAAD7_AAEA, "PanFS"),
    (0x786F_4256, "VirtualBox shared folder"),
    (0xBACB_ACBC, "VMware shared folder"),
];

/// File systems of this machine.
const LOCAL: [(u32, &str); 8] = [
    (0x0000_EF53, "ext"),
    (0x5846_5342, "XFS"),
    (0x9123_683E, "Btrfs"),
    (0xF2F5_2010, "F2FS"),
    (0x2FC1_2FC1, "ZFS"),
    (0xCA45_1A4E, "bcachefs"),
    (0x794C_7630, "overlay"),
    (0x0102_1994, "tmpfs"),
];

impl Medium {
    /// Asks for the file system of a folder, or of the nearest folder above it that exists.
    pub(super) fn of(folder: &Path) -> io::Result<Self> {
        let mut place = folder;
        while !place.as_os_str().is_empty() && !place.try_exists()? {
            place = place.parent().unwrap_or(Path::new(""));
        }
        let place = if place.as_os_str().is_empty() { Path::new(".") } else { place };
        let magic = rustix::fs::statfs(place)?.f_type;
        Ok(Self::known(u32::try_from(magic & 0xFFFF_FFFF).unwrap_or_default()))
    }

    fn known(magic: u32) -> Self {
        let named = |of: &[(u32, &'static str)]| {
            of.iter().find(|(number, _)| *number == magic).map(|(_, name)| *name)
        };
        let (name, is_network) = match (named(&NETWORK), named(&LOCAL)) {
            (Some(name), _) => (name, true),
            (None, Some(name)) => (name, false),
            (None, None) => ("unknown", false),
        };
        Self { magic, name, is_network }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_across_a_network_is_known_as_one() {
        for (magic, name) in [(0x6969, "NFS"), (0xFF53_4D42, "CIFS"), (0x6573_5546, "FUSE")] {
            let medium = Medium::known(magic);
            assert_eq!(
                (medium.name, medium.is_network),
                (name, true),
                "a site could lie on {name}"
            );
        }
        assert!(!Medium::known(0xEF53).is_network, "a plain disk is refused");
        assert!(!Medium::known(7).is_network, "a file system that came later is refused");
    }

    #[test]
    fn a_folder_that_is_not_there_yet_lies_where_it_will_be_made() {
        let dir = tempfile::tempdir().unwrap();
        let there = Medium::of(dir.path()).unwrap();
        assert_eq!(Medium::of(&dir.path().join("a/b/c")).unwrap(), there);
        assert_eq!(
            Medium::of(Path::new("not-there/yet")).unwrap(),
            Medium::of(Path::new(".")).unwrap()
        );
    }
}
