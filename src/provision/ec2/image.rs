//! Which image a machine starts from: by the name of a distribution, through the public parameter that its
//! maker keeps at the newest one; or any image by its id.

use super::plan::Arch;

/// An image, and what has to be known of it before it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// What RunInstances is given: `ami-…` or `resolve:ssm:…`
    pub id: String,
    /// The user that it lets in.
    pub login: String,
    /// The root volume's device name; of an image that is not ours to know, `None`: its own mapping stands.
    pub root: Option<&'static str>,
}

/// Names that `--image` and the configuration take beside ids.
pub const NAMES: [&str; 3] = ["ubuntu-24.04", "debian-12", "amazon-linux-2023"];

/// The image that `name` means on `arch`: one of [`NAMES`], `ami-…` or `resolve:ssm:…`, the latter two with
/// the login user in front where it is not `ec2-user`: `admin@ami-0abc…`. `None` for anything else.
pub fn image(name: &str, arch: Arch) -> Option<Image> {
    let (parameter, login, root) = match (name, arch) {
        ("ubuntu-24.04", arch) => (
            format!(
                "canonical/ubuntu/server/24.04/stable/current/{}/hvm/ebs-gp3/ami-id",
                arch.debian()
            ),
            "ubuntu",
            "/dev/sda1",
        ),
        ("debian-12", arch) => (
            format!("debian/release/12/latest/{}", arch.debian()),
            "admin",
            "/dev/xvda",
        ),
        ("amazon-linux-2023", arch) => (
            format!(
                "ami-amazon-linux-latest/al2023-ami-kernel-default-{}",
                arch.aws()
            ),
            "ec2-user",
            "/dev/xvda",
        ),
        _ => return by_id(name),
    };
    Some(Image {
        id: format!("resolve:ssm:/aws/service/{parameter}"),
        login: login.to_owned(),
        root: Some(root),
    })
}

fn by_id(name: &str) -> Option<Image> {
    let (login, id) = name.split_once('@').unwrap_or(("ec2-user", name));
    let hex = |id: &str| (8..=17).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_hexdigit());
    let parameter = |p: &str| !p.is_empty() && p.chars().all(|c| c.is_ascii_graphic());
    let good = id.strip_prefix("ami-").is_some_and(hex)
        || id.strip_prefix("resolve:ssm:").is_some_and(parameter);
    let user = !login.is_empty()
        && login.len() <= 32
        && login
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    (good && user).then(|| Image {
        id: id.to_owned(),
        login: login.to_owned(),
        root: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ids_are_images() {
        for name in NAMES {
            for arch in [Arch::X86_64, Arch::Arm64] {
                let image = image(name, arch).expect("an image");
                assert!(image.id.starts_with("resolve:ssm:/aws/service/"));
                assert!(image.root.is_some());
            }
        }
        let arm = image("ubuntu-24.04", Arch::Arm64).expect("an image");
        assert!(arm.id.contains("/arm64/") && arm.login == "ubuntu");
        let own = image("admin@ami-0debian1", Arch::X86_64);
        assert_eq!(own, None, "not hexadecimal");
        let own = image("admin@ami-0123456789abcdef0", Arch::X86_64).expect("an image");
        assert_eq!((own.login.as_str(), own.root), ("admin", None));
        let parameter = image("resolve:ssm:/mine/image", Arch::X86_64).expect("an image");
        assert_eq!(parameter.login, "ec2-user");
        for bad in [
            "",
            "windows",
            "ami-",
            "resolve:ssm:",
            "a b@ami-01234567",
            "@ami-01234567",
        ] {
            assert_eq!(image(bad, Arch::X86_64), None, "{bad}");
        }
    }
}
