//! Who a process is: credentials(7), and the users that an image knows (passwd(5), group(5)).

use crate::fs::Cred;

/// Capabilities that container runtimes leave to root: CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP,
/// NET_BIND_SERVICE, NET_RAW, SYS_CHROOT, MKNOD, AUDIT_WRITE, SETFCAP.
pub const CONTAINER_CAPS: u64 = 0xa804_25fb;

/// Numbers of capabilities(7).
pub const CAP_KILL: u32 = 5;
pub const CAP_SETGID: u32 = 6;
pub const CAP_SETUID: u32 = 7;
pub const CAP_SYS_ADMIN: u32 = 21;
pub const CAP_SYS_NICE: u32 = 23;
pub const CAP_SYS_RESOURCE: u32 = 24;

/// User or group IDs of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ids {
    pub real: u32,
    pub effective: u32,
    pub saved: u32,
}

impl Ids {
    pub fn all(id: u32) -> Ids {
        Ids { real: id, effective: id, saved: id }
    }

    pub fn contains(self, id: u32) -> bool {
        [self.real, self.effective, self.saved].contains(&id)
    }
}

/// A process's credentials. `fs` follows the others: it is what file permissions are checked with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credentials {
    pub fs: Cred,
    pub uid: Ids,
    pub gid: Ids,
    pub permitted: u64,
    pub inheritable: u64,
    pub bounding: u64,
}

impl Credentials {
    /// A user as a container starts it: root with the usual capabilities, anyone else with none.
    pub fn of(user: &User) -> Credentials {
        let caps = if user.uid == 0 { CONTAINER_CAPS } else { 0 };
        Credentials {
            fs: Cred { fsuid: user.uid, fsgid: user.gid, groups: user.groups.clone(), caps },
            uid: Ids::all(user.uid),
            gid: Ids::all(user.gid),
            permitted: caps,
            inheritable: 0,
            bounding: CONTAINER_CAPS,
        }
    }

    /// As access(2) wants them: with the real IDs.
    pub fn real(&self) -> Cred {
        let caps = if self.uid.real == 0 { self.permitted } else { 0 };
        Cred { fsuid: self.uid.real, fsgid: self.gid.real, groups: self.fs.groups.clone(), caps }
    }

    pub fn capable(&self, capability: u32) -> bool {
        self.fs.capable(capability)
    }

    /// User IDs have changed from `old`: capabilities(7), "Effect of user ID changes on capabilities".
    pub fn after_uids_changed(&mut self, old: Ids, keep_caps: bool) {
        let root = |ids: Ids| ids.contains(0);
        if root(old) && !root(self.uid) && !keep_caps {
            (self.permitted, self.fs.caps) = (0, 0);
        }
        if old.effective == 0 && self.uid.effective != 0 {
            self.fs.caps = 0;
        }
        if old.effective != 0 && self.uid.effective == 0 {
            self.fs.caps = self.permitted;
        }
        self.fs.fsuid = self.uid.effective;
    }

    /// setfsuid(2): what concerns files goes with root's ID and comes back with it.
    pub fn set_fsuid(&mut self, uid: u32) {
        /// CAP_FS_SET: CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, LINUX_IMMUTABLE, MKNOD, MAC_OVERRIDE.
        const OF_FILES: u64 = 0x1f | 1 << 9 | 1 << 27 | 1 << 32;
        let before = std::mem::replace(&mut self.fs.fsuid, uid);
        match (before, uid) {
            (0, 1..) => self.fs.caps &= !OF_FILES,
            (1.., 0) => self.fs.caps |= self.permitted & OF_FILES,
            _ => {}
        }
    }

    pub fn after_gids_changed(&mut self) {
        self.fs.fsgid = self.gid.effective;
    }

    /// execve(2): saved IDs, and what root's program may do.
    pub fn after_exec(&mut self) {
        self.uid.saved = self.uid.effective;
        self.gid.saved = self.gid.effective;
        let root = self.uid.effective == 0 || self.uid.real == 0;
        self.permitted = if root { self.bounding } else { 0 };
        self.fs.caps = if self.uid.effective == 0 { self.permitted } else { 0 };
        (self.fs.fsuid, self.fs.fsgid) = (self.uid.effective, self.gid.effective);
    }
}

/// A user that was looked up.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// The home directory; `/` for a user that is not in passwd(5).
    pub home: String,
}

/// Why a user could not be looked up, in docker's words.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UserError {
    #[error("unable to find user {0}: no matching entries in passwd file")]
    NoUser(String),
    #[error("unable to find group {0}: no matching entries in group file")]
    NoGroup(String),
}

impl User {
    /// The user that `user[:group]` means, names or numbers, with the texts of `/etc/passwd` and `/etc/group`.
    ///
    /// # Errors
    /// A name, not a number, that is not there.
    pub fn find(spec: &str, passwd: &str, group: &str) -> Result<User, UserError> {
        let (name, group_name) = spec.split_once(':').unwrap_or((spec, ""));
        let name = if name.is_empty() { "0" } else { name };
        let entry = lines(passwd, 7).find(|line| line[0] == name || line[2] == name);
        let mut user = match (&entry, name.parse()) {
            (Some(line), _) => {
                let number = |text: &str| text.parse().unwrap_or(0);
                User { uid: number(line[2]), gid: number(line[3]), groups: vec![], home: line[5].to_owned() }
            }
            (None, Ok(uid)) => User { uid, home: "/".into(), ..User::default() },
            (None, Err(_)) => return Err(UserError::NoUser(name.into())),
        };
        if user.home.is_empty() {
            user.home = "/".into();
        }
        if group_name.is_empty() {
            let login = entry.map_or("", |line| line[0]);
            let member = |line: &Vec<&str>| line[3].split(',').any(|member| !login.is_empty() && member == login);
            user.groups = lines(group, 4).filter(member).filter_map(|line| line[2].parse().ok()).collect();
            user.groups.retain(|&gid| gid != user.gid);
            user.groups.insert(0, user.gid);
        } else {
            let entry = lines(group, 4).find(|line| line[0] == group_name || line[2] == group_name);
            let gid = entry.map_or(group_name, |line| line[2]).parse();
            user.gid = gid.map_err(|_| UserError::NoGroup(group_name.into()))?;
            user.groups = vec![user.gid];
        }
        Ok(user)
    }
}

/// The lines of a table whose columns are separated by colons, at least `columns` of them.
fn lines(text: &str, columns: usize) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.split(':').collect::<Vec<_>>()).filter(move |line| line.len() >= columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nme:x:1000:1001::/home/me:/bin/sh\nbroken\n";
    const GROUP: &str = "root:x:0:\nwheel:x:10:root,me\nme:x:1001:\n";

    #[test]
    fn users_by_name_and_number() {
        let find = |spec| User::find(spec, PASSWD, GROUP);
        let user = |uid, gid, groups: &[u32], home: &str| Ok(User { uid, gid, groups: groups.into(), home: home.into() });
        assert_eq!(find(""), user(0, 0, &[0, 10], "/root"));
        assert_eq!(find("me"), user(1000, 1001, &[1001, 10], "/home/me"));
        assert_eq!(find("1000"), user(1000, 1001, &[1001, 10], "/home/me"));
        assert_eq!(find("me:wheel"), user(1000, 10, &[10], "/home/me"));
        assert_eq!(find("77:88"), user(77, 88, &[88], "/"));
        assert_eq!(find("77"), user(77, 0, &[0], "/"));
        assert_eq!(find("nobody"), Err(UserError::NoUser("nobody".into())));
        assert_eq!(find("me:none"), Err(UserError::NoGroup("none".into())));
    }

    #[test]
    fn root_that_leaves_loses_its_capabilities() {
        let mut cred = Credentials::of(&User::default());
        let old = std::mem::replace(&mut cred.uid, Ids { real: 0, effective: 1000, saved: 0 });
        cred.after_uids_changed(old, false);
        assert_eq!((cred.fs.caps, cred.permitted, cred.fs.fsuid), (0, CONTAINER_CAPS, 1000));
        let old = std::mem::replace(&mut cred.uid, Ids::all(0));
        cred.after_uids_changed(old, false);
        assert_eq!(cred.fs.caps, CONTAINER_CAPS);
        let old = std::mem::replace(&mut cred.uid, Ids::all(1000));
        cred.after_uids_changed(old, false);
        assert_eq!((cred.fs.caps, cred.permitted), (0, 0));
    }
}
