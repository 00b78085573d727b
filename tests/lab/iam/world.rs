//! A lab whose IAM is enforced, people in it with the policies of docs/iam, their devices, and what the
//! account's root puts in their way.

use aws_sdk_ec2::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_ec2::types::{
    BlockDeviceMapping, EbsBlockDevice, InstanceStateName, InstanceType, IpPermission, IpRange,
    ResourceType, SecurityGroup, Tag, TagSpecification,
};
use remote_compute::model::{SessionId, now_ms};
use remote_compute::ssh::keys;
use serde_json::{Value, json};

use crate::common::env::TestEnv;
use crate::common::process::Ran;
use crate::guest::await_state;
use crate::harness::{Control, Lab, Machines, REGION};

/// What the lab's images are named.
pub const IMAGE: &str = "resolve:ssm:/aws/service/debian/release/12/latest/amd64";
/// Minutes from now, as a tag tells a time.
fn time(minutes: i64) -> String {
    let at = i64::try_from(now_ms()).expect("a time") / 1000 + minutes * 60;
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(at.unsigned_abs());
    humantime::format_rfc3339_seconds(at).to_string()
}

pub struct World {
    pub lab: Lab,
    pub control: Control,
    /// As the account's root, whom nothing is refused.
    pub root: aws_sdk_ec2::Client,
}

/// A user of the account.
pub struct Person {
    pub arn: String,
    id: String,
    secret: String,
}

impl Person {
    fn key(&self) -> Credentials {
        Credentials::new(&self.id, &self.secret, None, None, "iam")
    }
}

/// A machine that root has made in somebody's name: words behind an API, for verbs that end things.
pub struct Made {
    pub session: String,
    /// Their ARN.
    pub owner: String,
    pub instance: String,
    pub volume: String,
}

impl World {
    pub fn new() -> Self {
        let lab = Lab::start(Machines::Box);
        let control = lab.control();
        control.post("set", &json!({ "auth": true }));
        let root = lab.ec2(REGION);
        Self { lab, control, root }
    }

    /// Machines from here on are that: `box`, `none`.
    pub fn machines(&self, kind: &str) {
        self.control.post("set", &json!({ "machines": kind }));
    }

    /// Gives a person exactly these policies.
    pub fn person(&self, name: &str, policies: &[Value]) -> Person {
        let named: serde_json::Map<String, Value> = policies
            .iter()
            .enumerate()
            .map(|(n, policy)| (format!("p{n}"), policy.clone()))
            .collect();
        let user = json!({ "name": name, "policies": named });
        let told = self.control.post("user", &user);
        let text = |key: &str| told[key].as_str().expect("a text").to_owned();
        Person {
            arn: text("arn"),
            id: text("id"),
            secret: text("secret"),
        }
    }

    /// A new device of theirs: it knows nothing but the account.
    pub fn device(&self, person: &Person) -> TestEnv {
        let mut env = self.lab.device();
        env.set("AWS_ACCESS_KEY_ID", &person.id);
        env.set("AWS_SECRET_ACCESS_KEY", &person.secret);
        env
    }

    /// The SDK with a person's key: calls that `remote` does not make.
    pub fn sdk(&self, person: &Person) -> aws_sdk_ec2::Client {
        let config = aws_sdk_ec2::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&self.lab.endpoint)
            .region(Region::new(REGION))
            .credentials_provider(person.key())
            .build();
        aws_sdk_ec2::Client::from_conf(config)
    }

    pub fn sns(&self, person: &Person) -> aws_sdk_sns::Client {
        let config = aws_sdk_sns::Config::builder()
            .behavior_version(aws_sdk_sns::config::BehaviorVersion::latest())
            .endpoint_url(&self.lab.endpoint)
            .region(Region::new(REGION))
            .credentials_provider(person.key());
        aws_sdk_sns::Client::from_conf(config.build())
    }

    pub fn ebs(&self, person: &Person) -> aws_sdk_ebs::Client {
        let config = aws_sdk_ebs::Config::builder()
            .behavior_version(aws_sdk_ebs::config::BehaviorVersion::latest())
            .endpoint_url(&self.lab.endpoint)
            .region(Region::new(REGION))
            .credentials_provider(person.key());
        aws_sdk_ebs::Client::from_conf(config.build())
    }

    pub fn connect(&self, person: &Person) -> aws_sdk_ec2instanceconnect::Client {
        let config = aws_sdk_ec2instanceconnect::Config::builder()
            .behavior_version(aws_sdk_ec2instanceconnect::config::BehaviorVersion::latest())
            .endpoint_url(&self.lab.endpoint)
            .region(Region::new(REGION))
            .credentials_provider(person.key());
        aws_sdk_ec2instanceconnect::Client::from_conf(config.build())
    }

    /// What sets of policies refuse of what people have asked for: in calls that were let through, or in those
    /// that were refused.
    pub fn judge(
        &self,
        of: Option<&Person>,
        sets: &[Vec<&Value>],
        refused: bool,
    ) -> (Vec<Value>, Vec<Vec<Value>>) {
        let principal = of.map(|p| &p.arn);
        let words = json!({ "sets": sets, "refused": refused, "principal": principal });
        let told = self.control.post("judge", &words);
        let list = |v: &Value| v.as_array().expect("a list").clone();
        let refused = list(&told["refused"]).iter().map(list).collect();
        (list(&told["asked"]), refused)
    }

    /// A machine with its volume, tagged as a launch tags them; its deadline is so many minutes from now.
    pub async fn made(&self, owner: &Person, deadline: i64, tags: &[(&str, &str)]) -> Made {
        self.made_in(REGION, owner, deadline, tags).await
    }

    pub async fn made_in(
        &self,
        region: &str,
        owner: &Person,
        deadline: i64,
        tags: &[(&str, &str)],
    ) -> Made {
        let session = SessionId::generate().expect("a name").to_string();
        let deadline = time(deadline);
        let all = [
            ("remote:session", session.as_str()),
            ("remote:owner", &owner.arn),
            ("remote:deadline", &deadline),
            ("remote:login", "admin"),
        ];
        let all: Vec<(&str, &str)> = all.iter().chain(tags).copied().collect();
        let (instance, volume) = self.machine_with(region, &all).await;
        Made {
            session,
            owner: owner.arn.clone(),
            instance,
            volume,
        }
    }

    /// A machine that is none of `remote`'s.
    pub async fn plain(&self) -> Made {
        let (instance, volume) = self.machine_with(REGION, &[("Name", "plain")]).await;
        Made {
            session: String::new(),
            owner: String::new(),
            instance,
            volume,
        }
    }

    async fn machine_with(&self, region: &str, tags: &[(&str, &str)]) -> (String, String) {
        let root = self.lab.ec2(region);
        let tags: Vec<Tag> = tags
            .iter()
            .chain(&[("lab:machine", "none")])
            .map(tag)
            .collect();
        let specification = |kind| {
            TagSpecification::builder()
                .resource_type(kind)
                .set_tags(Some(tags.clone()))
                .build()
        };
        let disk = EbsBlockDevice::builder()
            .volume_size(1)
            .delete_on_termination(false);
        let disk = BlockDeviceMapping::builder()
            .device_name("/dev/sdf")
            .ebs(disk.build());
        let made = root
            .run_instances()
            .image_id(IMAGE)
            .instance_type(InstanceType::M6iLarge)
            .min_count(1)
            .max_count(1)
            .block_device_mappings(disk.build())
            .tag_specifications(specification(ResourceType::Instance))
            .tag_specifications(specification(ResourceType::Volume))
            .send()
            .await
            .expect("a machine");
        let instance = made.instances()[0].instance_id().expect("an id").to_owned();
        let found = await_state(&root, &instance, InstanceStateName::Running).await;
        let disks = found.block_device_mappings().iter();
        let work = disks
            .filter(|d| d.device_name() == Some("/dev/sdf"))
            .find_map(|d| d.ebs()?.volume_id());
        (instance, work.expect("a volume").to_owned())
    }

    /// A machine that nothing was ever sent to.
    pub async fn blank(&self, owner: &Person) -> Made {
        let key = once();
        self.made(owner, 60, &[("remote:hostkey", &key)]).await
    }

    /// Ends it; its volume stays.
    pub async fn ends(&self, made: &Made) {
        let ending = self.root.terminate_instances().instance_ids(&made.instance);
        ending.send().await.expect("an end");
        self.ended(made).await;
    }

    pub async fn ended(&self, made: &Made) {
        self.state(&made.instance, InstanceStateName::Terminated)
            .await;
    }

    /// Nothing is left of a volume.
    pub async fn gone(&self, volume: &str) {
        let told = self.root.describe_volumes().send().await.expect("volumes");
        let left = told.volumes().iter().any(|v| v.volume_id() == Some(volume));
        assert!(!left, "{volume} is still there");
    }

    /// A snapshot of somebody's work.
    pub async fn snapshot(&self, of: &Made) -> String {
        let making = self.root.create_snapshot().volume_id(&of.volume);
        let made = making.send().await.expect("a snapshot");
        let id = made.snapshot_id.expect("an id");
        if !of.session.is_empty() {
            self.tag(&id, "remote:session", &of.session).await;
            self.tag(&id, "remote:owner", &of.owner).await;
        }
        id
    }

    /// A security group, `remote`'s own or another one.
    pub async fn group(&self, ours: bool) -> String {
        let told = self.root.describe_security_groups().send().await;
        let told = told.expect("groups");
        let is_ours = |g: &&SecurityGroup| g.tags().iter().any(|t| t.key() == Some("remote:group"));
        let mut all = told.security_groups().iter();
        let found = all.find(|g| is_ours(g) == ours).and_then(|g| g.group_id());
        found.expect("a group").to_owned()
    }

    /// A disk of nobody's on somebody's machine, as /dev/sdg.
    pub async fn with_a_plain_disk(&self, made: &Made) {
        let told = self
            .root
            .describe_volumes()
            .volume_ids(&made.volume)
            .send()
            .await;
        let zone = told.expect("it").volumes()[0].availability_zone.clone();
        let making = self
            .root
            .create_volume()
            .set_availability_zone(zone)
            .size(1);
        let disk = making.send().await.expect("a disk");
        let attaching = self.root.attach_volume().set_volume_id(disk.volume_id);
        let attaching = attaching.instance_id(&made.instance).device("/dev/sdg");
        attaching.send().await.expect("attached");
    }

    pub async fn tag(&self, id: &str, key: &str, value: &str) {
        let tagging = self.root.create_tags().resources(id);
        tagging
            .tags(tag(&(key, value)))
            .send()
            .await
            .expect("a tag");
    }

    /// Waits until an instance is in this state.
    pub async fn state(&self, id: &str, state: InstanceStateName) {
        await_state(&self.root, id, state).await;
    }

    pub async fn stop(&self, id: &str) {
        let stopping = self.root.stop_instances().instance_ids(id).send().await;
        stopping.expect("an end");
        self.state(id, InstanceStateName::Stopped).await;
    }

    /// A session's only living instance.
    pub async fn machine_of(&self, session: &str) -> String {
        let of = aws_sdk_ec2::types::Filter::builder()
            .name("tag:remote:session")
            .values(session)
            .build();
        let told = self.root.describe_instances().filters(of).send().await;
        let told = told.expect("instances");
        let mut all = told.reservations().iter().flat_map(|r| r.instances());
        let found =
            all.find(|i| i.state().and_then(|s| s.name()) != Some(&InstanceStateName::Terminated));
        let id = found.and_then(|i| i.instance_id());
        id.expect("a machine").to_owned()
    }

    /// The devices that were let in are somewhere else now: their rules name another address.
    pub async fn move_devices(&self) {
        let told = self.root.describe_security_groups().send().await;
        for group in told.expect("groups").security_groups() {
            let id = group.group_id().unwrap_or_default();
            let ranges = group.ip_permissions().iter().flat_map(|p| p.ip_ranges());
            for (n, range) in ranges.enumerate() {
                let away = self.root.revoke_security_group_ingress().group_id(id);
                let gone = away.ip_permissions(door(range.cidr_ip(), range.description()));
                gone.send().await.expect("a rule less");
                let there = format!("203.0.113.{}/32", n + 1);
                let back = self.root.authorize_security_group_ingress().group_id(id);
                let old = back.ip_permissions(door(Some(&there), range.description()));
                old.send().await.expect("a rule more");
            }
        }
    }

    /// A machine's tag as it was before its own host key was written: its launch was cut off.
    pub async fn cut_off(&self, instance: &str) {
        self.tag(instance, "remote:hostkey", &once()).await;
    }
}

/// The tag of a host key that is good for the first connection alone.
fn once() -> String {
    let key = keys::public_line(&keys::generate_ed25519());
    let line: Vec<&str> = key.split(' ').take(2).collect();
    format!("once {}", line.join(" "))
}

pub fn door(range: Option<&str>, description: Option<&str>) -> IpPermission {
    let range = IpRange::builder()
        .set_cidr_ip(range.map(str::to_owned))
        .set_description(description.map(str::to_owned));
    IpPermission::builder()
        .ip_protocol("tcp")
        .from_port(22)
        .to_port(22)
        .ip_ranges(range.build())
        .build()
}

fn tag((key, value): &(&str, &str)) -> Tag {
    Tag::builder().key(*key).value(*value).build()
}

/// JSON from a verb.
pub fn json_of(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {}", ran.all()))
}
