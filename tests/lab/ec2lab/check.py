"""python -m ec2lab.check ENDPOINT DOC: makes every call that the lab hooks or answers itself, through boto3.

The lab is to run with --check-model and collects what botocore's models do not know. This program fails when a
call does, when one of them was not made, and when DOC does not list everything that is hooked.
"""

from __future__ import annotations

import base64
import hashlib
import sys
import time
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from . import direct, front, groups, instances, volumes  # noqa: F401
from .hooks import HOOKED
from .services import ANSWERS

ACCOUNT = "123456789012"
IMAGE = "resolve:ssm:/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"


class Check:
    """boto3 against one lab; remembers what it has called."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.made: set[tuple[str, str]] = set()

    def client(self, service: str) -> Any:
        """A client that notes its calls."""
        made = boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="lab",
            aws_secret_access_key="lab",
        )
        signing = made.meta.service_model.signing_name
        note = lambda model, **_: self.made.add((signing, model.name))
        made.meta.events.register("before-call", note)
        return made

    def run(self) -> None:
        """All of it."""
        instance = self.machines()
        self.disks(instance)
        self.money()
        self.rest(instance)
        self.ends(instance)

    def machines(self) -> str:
        self.ec2 = ec2 = self.client("ec2")
        tags = [{"Key": "remote:session", "Value": "x"}]
        self.group = ec2.create_security_group(
            GroupName="check",
            Description="check",
            TagSpecifications=[{"ResourceType": "security-group", "Tags": tags}],
        )["GroupId"]
        rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "127.0.0.1/32"}]}
        made = ec2.authorize_security_group_ingress(GroupId=self.group, IpPermissions=[rule])
        rule_id = made["SecurityGroupRules"][0]["SecurityGroupRuleId"]
        new = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIpv4": "127.0.0.2/32", "Description": "d"}
        ec2.modify_security_group_rules(
            GroupId=self.group,
            SecurityGroupRules=[{"SecurityGroupRuleId": rule_id, "SecurityGroupRule": new}],
        )
        spot = {"MarketType": "spot", "SpotOptions": {"MaxPrice": "0.09"}}
        disk = {"VolumeSize": 5, "VolumeType": "gp3", "Iops": 3500, "Throughput": 200, "DeleteOnTermination": False}
        words = {
            "ImageId": IMAGE,
            "InstanceType": "m6i.large",
            "MinCount": 1,
            "MaxCount": 1,
            "ClientToken": "check",
            "SecurityGroupIds": [self.group],
            "InstanceMarketOptions": spot,
            "BlockDeviceMappings": [{"DeviceName": "/dev/sdf", "Ebs": disk}],
            "TagSpecifications": [{"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume")],
            "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
        }
        launched = ec2.run_instances(**words)["Instances"][0]
        instance = launched["InstanceId"]
        assert launched["InstanceLifecycle"] == "spot"
        assert launched["SpotInstanceRequestId"].startswith("sir-")
        self.until(instance, "running")
        ec2.modify_instance_attribute(InstanceId=instance, Groups=[self.group])
        ec2.describe_instances(Filters=[{"Name": "client-token", "Values": ["check"]}])
        assert ec2.get_console_output(InstanceId=instance)["InstanceId"] == instance
        ec2.reboot_instances(InstanceIds=[instance])
        return instance

    def disks(self, instance: str) -> None:
        ec2 = self.ec2
        zone = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]["Placement"]
        new = {"AvailabilityZone": zone["AvailabilityZone"], "Size": 1, "VolumeType": "gp3"}
        volume = ec2.create_volume(**new, ClientToken="v")["VolumeId"]
        assert ec2.create_volume(**new, ClientToken="v")["VolumeId"] == volume
        ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device="/dev/sdg")
        assert ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["Attachments"][0]["DeleteOnTermination"] is False
        self.refused("VolumeInUse", ec2.attach_volume, VolumeId=volume, InstanceId=instance, Device="/dev/sdh")
        snapshot = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
        ec2.modify_volume(VolumeId=volume, Size=2)
        self.refused("InvalidParameterValue", ec2.modify_volume, VolumeId=volume, Size=1)
        ec2.detach_volume(VolumeId=volume)
        self.eventually(lambda: ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["State"] == "available")
        ec2.delete_volume(VolumeId=volume)
        ec2.delete_snapshot(SnapshotId=snapshot)
        self.blocks(zone["AvailabilityZone"])

    def blocks(self, zone: str) -> None:
        ec2, ebs = self.ec2, self.client("ebs")
        sha = lambda data: base64.b64encode(hashlib.sha256(data).digest()).decode()
        data = b"check" * 100000 + bytes(24288)
        tags = [{"Key": "remote:owner", "Value": "x"}]
        started = ebs.start_snapshot(VolumeSize=1, Tags=tags, ClientToken="s")["SnapshotId"]
        put = {"SnapshotId": started, "BlockIndex": 7, "DataLength": len(data), "ChecksumAlgorithm": "SHA256"}
        ebs.put_snapshot_block(**put, BlockData=data, Checksum=sha(data))
        self.refused("ValidationException", ebs.put_snapshot_block, **put, BlockData=data, Checksum=sha(b""))
        self.refused("ValidationException", ebs.list_snapshot_blocks, SnapshotId=started)
        whole = {"Checksum": sha(hashlib.sha256(data).digest()), "ChecksumAlgorithm": "SHA256"}
        ebs.complete_snapshot(
            SnapshotId=started, ChangedBlocksCount=1, ChecksumAggregationMethod="LINEAR", **whole
        )
        self.refused("ValidationException", ebs.put_snapshot_block, **put, BlockData=data, Checksum=sha(data))
        told = ec2.describe_snapshots(SnapshotIds=[started])["Snapshots"][0]
        assert (told["State"], told["Progress"], told["VolumeSize"]) == ("completed", "100%", 1), told
        volume = ec2.create_volume(AvailabilityZone=zone, SnapshotId=started)["VolumeId"]
        ec2.delete_snapshot(SnapshotId=started)
        snapshot = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
        listed = ebs.list_snapshot_blocks(SnapshotId=snapshot)
        assert [b["BlockIndex"] for b in listed["Blocks"]] == [7] and listed["BlockSize"] == 524288, listed
        token = listed["Blocks"][0]["BlockToken"]
        block = ebs.get_snapshot_block(SnapshotId=snapshot, BlockIndex=7, BlockToken=token)
        assert block["BlockData"].read() == data and block["Checksum"] == sha(data)
        other = {"SnapshotId": snapshot, "BlockIndex": 8, "BlockToken": token}
        self.refused("ValidationException", ebs.get_snapshot_block, **other)
        second = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
        changed = ebs.list_changed_blocks(FirstSnapshotId=snapshot, SecondSnapshotId=second)
        assert changed["ChangedBlocks"] == [], changed
        for name in (snapshot, second):
            ec2.delete_snapshot(SnapshotId=name)
        self.refused("ResourceNotFoundException", ebs.list_snapshot_blocks, SnapshotId=snapshot)
        ec2.delete_volume(VolumeId=volume)

    def money(self) -> None:
        history = self.ec2.describe_spot_price_history(InstanceTypes=["m6i.large"])["SpotPriceHistory"]
        assert len({h["AvailabilityZone"] for h in history}) > 1
        fields = {"instanceType": "m6i.large", "regionCode": "us-east-1", "tenancy": "Shared", "capacitystatus": "Used"}
        filters = [{"Type": "TERM_MATCH", "Field": k, "Value": v} for k, v in fields.items()]
        products = self.client("pricing").get_products(ServiceCode="AmazonEC2", Filters=filters)["PriceList"]
        assert len(products) == 1 and '"USD": "0.0960000000"' in products[0], products
        quotas = self.client("service-quotas")
        assert len(quotas.list_service_quotas(ServiceCode="ec2")["Quotas"]) == 2
        assert quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-34B43A08")["Quota"]["Value"] > 0
        self.budgets()

    def budgets(self) -> None:
        budgets = self.client("budgets")
        name = {"AccountId": ACCOUNT, "BudgetName": "check"}
        limit = {"Amount": "5", "Unit": "USD"}
        budget = {"BudgetName": "check", "BudgetLimit": limit, "TimeUnit": "DAILY", "BudgetType": "COST"}
        notification = {
            "NotificationType": "ACTUAL",
            "ComparisonOperator": "GREATER_THAN",
            "Threshold": 100.0,
            "ThresholdType": "PERCENTAGE",
        }
        mail = {"SubscriptionType": "EMAIL", "Address": "you@example.com"}
        topic = {"SubscriptionType": "SNS", "Address": f"arn:aws:sns:us-east-1:{ACCOUNT}:check"}
        budgets.create_budget(
            AccountId=ACCOUNT,
            Budget=budget,
            NotificationsWithSubscribers=[{"Notification": notification, "Subscribers": [mail]}],
            ResourceTags=[{"Key": "remote:owner", "Value": "x"}],
        )
        budgets.create_subscriber(**name, Notification=notification, Subscriber=topic)
        budgets.delete_subscriber(**name, Notification=notification, Subscriber=mail)
        told = budgets.describe_subscribers_for_notification(**name, Notification=notification)
        assert told["Subscribers"] == [topic]
        budgets.update_budget(AccountId=ACCOUNT, NewBudget={**budget, "BudgetLimit": {**limit, "Amount": "6"}})
        assert budgets.describe_budget(**name)["Budget"]["BudgetLimit"]["Amount"] in ("6", "6.0")
        arn = f"arn:aws:budgets::{ACCOUNT}:budget/check"
        assert budgets.list_tags_for_resource(ResourceARN=arn)["ResourceTags"]

    def rest(self, instance: str) -> None:
        key = "ssh-ed25519 " + "A" * 80
        connect = self.client("ec2-instance-connect")
        assert connect.send_ssh_public_key(InstanceId=instance, InstanceOSUser="admin", SSHPublicKey=key)["Success"]
        sns = self.client("sns")
        topic = sns.create_topic(Name="check")["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="you@example.com")
        listed = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        assert listed[0]["SubscriptionArn"] == "PendingConfirmation"
        from .small_services import encode_denial

        text = encode_denial("arn:aws:iam::123456789012:user/u", "ec2:RunInstances")
        decoded = self.client("sts").decode_authorization_message(EncodedMessage=text)["DecodedMessage"]
        assert '"action": "ec2:RunInstances"' in decoded

    def ends(self, instance: str) -> None:
        ec2 = self.ec2
        self.refused("DependencyViolation", ec2.delete_security_group, GroupId=self.group)
        ec2.stop_instances(InstanceIds=[instance])
        self.until(instance, "stopped")
        ec2.start_instances(InstanceIds=[instance])
        self.until(instance, "running")
        ec2.revoke_security_group_ingress(
            GroupId=self.group,
            IpPermissions=[
                {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "127.0.0.2/32"}]}
            ],
        )
        ec2.terminate_instances(InstanceIds=[instance])
        self.until(instance, "terminated")
        ec2.delete_security_group(GroupId=self.group)

    def until(self, instance: str, state: str) -> None:
        """Waits for an instance's state."""
        told = lambda: self.ec2.describe_instances(InstanceIds=[instance])
        self.eventually(lambda: told()["Reservations"][0]["Instances"][0]["State"]["Name"] == state)

    @staticmethod
    def eventually(true: Any) -> None:
        """Waits for a condition."""
        end = time.monotonic() + 10
        while not true():
            assert time.monotonic() < end, "it does not become true"
            time.sleep(0.05)

    @staticmethod
    def refused(code: str, call: Any, **words: Any) -> None:
        """The call must fail with this code."""
        try:
            call(**words)
        except ClientError as error:
            assert error.response["Error"]["Code"] == code, error
            return
        raise AssertionError(f"{code} expected")


def main() -> None:
    check = Check(sys.argv[1])
    check.run()
    document = Path(sys.argv[2]).read_text()
    ours = [f"{service}:{action}" for service, action in ANSWERS]
    missing = [name for name in [*HOOKED, *ours] if f"`{name}`" not in document]
    assert not missing, f"docs/LAB.md does not list {missing}"
    untried = [key for key in ANSWERS if key not in check.made]
    assert not untried, f"not tried: {untried}"


if __name__ == "__main__":
    main()
