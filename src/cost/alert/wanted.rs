//! What an alert is made of, as plain requests: names, policy, budgets, notifications. No calls.

use aws_sdk_budgets::types::{
    Budget, BudgetType, ComparisonOperator, Notification, NotificationType,
    NotificationWithSubscribers, Spend, Subscriber, SubscriptionType, ThresholdType, TimeUnit,
};
use sha2::{Digest, Sha256};

use super::{Identity, internal};
use crate::error::Result;
use crate::model::Money;

/// The tag on everything of an owner's; as a cost-allocation tag it must be activated once in the account.
pub const OWNER_TAG: &str = "remote:owner";
/// A month's limit is so many days'.
pub const FORECAST_DAYS: u64 = 30;

/// The two budgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Daily,
    Monthly,
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Daily, Self::Monthly];

    pub fn period(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Monthly => "monthly",
        }
    }

    pub fn limit(self, daily: Money) -> Money {
        match self {
            Self::Daily => daily,
            Self::Monthly => daily.times(FORECAST_DAYS),
        }
    }

    /// What is told of: actual spend at that percentage of a day's, a month's forecast beyond it.
    fn thresholds(self) -> &'static [(NotificationType, f64)] {
        match self {
            Self::Daily => &[
                (NotificationType::Actual, 80.0),
                (NotificationType::Actual, 100.0),
            ],
            // AWS refuses a forecast for a daily budget.
            Self::Monthly => &[
                (NotificationType::Forecasted, 100.0),
                (NotificationType::Actual, 100.0),
            ],
        }
    }
}

/// One owner's alert.
#[derive(Debug, Clone)]
pub struct Wanted {
    account: String,
    arn: String,
    partition: String,
    /// Of the owner: readable, and unlike any other's.
    tail: String,
}

impl Wanted {
    pub fn new(who: &Identity) -> Self {
        let last = who.arn.rsplit(['/', ':']).next().unwrap_or_default();
        let plain: String = last
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .take(32)
            .collect();
        let digest = Sha256::digest(who.arn.as_bytes());
        let hex: String = digest.iter().take(4).map(|b| format!("{b:02x}")).collect();
        Self {
            account: who.account.clone(),
            arn: who.arn.clone(),
            partition: who.arn.split(':').nth(1).unwrap_or("aws").to_owned(),
            tail: format!("{plain}-{hex}"),
        }
    }

    pub fn topic(&self) -> String {
        format!("remote-alert-{}", self.tail)
    }

    pub fn topic_arn(&self, region: &str) -> String {
        let (partition, account) = (&self.partition, &self.account);
        format!("arn:{partition}:sns:{region}:{account}:{}", self.topic())
    }

    pub fn name(&self, kind: Kind) -> String {
        format!("remote-{}-{}", kind.period(), self.tail)
    }

    /// Budgets of this account may publish, nobody else; the owner's own rights are in IAM.
    pub fn policy(&self, topic: &str) -> String {
        serde_json::json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Sid": "BudgetsMayPublish",
                "Effect": "Allow",
                "Principal": { "Service": "budgets.amazonaws.com" },
                "Action": "SNS:Publish",
                "Resource": topic,
                "Condition": {
                    "StringEquals": { "aws:SourceAccount": self.account },
                    "ArnLike": {
                        "aws:SourceArn": format!("arn:{}:budgets::{}:*", self.partition, self.account)
                    },
                },
            }],
        })
        .to_string()
    }

    /// The budget: what carries the owner's tag, in that period.
    pub fn budget(&self, kind: Kind, daily: Money) -> Result<Budget> {
        let limit = Spend::builder()
            .amount(format!("{:.2}", kind.limit(daily).dollars()))
            .unit("USD")
            .build()
            .map_err(internal)?;
        let unit = match kind {
            Kind::Daily => TimeUnit::Daily,
            Kind::Monthly => TimeUnit::Monthly,
        };
        #[expect(
            deprecated,
            reason = "its successor, filter_expression, is not served everywhere yet"
        )]
        let budget = Budget::builder().cost_filters(
            "TagKeyValue",
            vec![format!("user:{OWNER_TAG}${}", self.arn)],
        );
        budget
            .budget_name(self.name(kind))
            .budget_limit(limit)
            .time_unit(unit)
            .budget_type(BudgetType::Cost)
            .build()
            .map_err(internal)
    }

    pub fn notifications(
        &self,
        kind: Kind,
        topic: &str,
    ) -> Result<Vec<NotificationWithSubscribers>> {
        let one = |(what, percent): &(NotificationType, f64)| {
            let notification = Notification::builder()
                .notification_type(what.clone())
                .comparison_operator(ComparisonOperator::GreaterThan)
                .threshold(*percent)
                .threshold_type(ThresholdType::Percentage)
                .build()
                .map_err(internal)?;
            let subscriber = Subscriber::builder()
                .subscription_type(SubscriptionType::Sns)
                .address(topic)
                .build()
                .map_err(internal)?;
            NotificationWithSubscribers::builder()
                .notification(notification)
                .subscribers(subscriber)
                .build()
                .map_err(internal)
        };
        kind.thresholds().iter().map(one).collect()
    }
}

/// What is to be done about a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    Missing,
    Same,
    OtherLimit,
    Other,
}

/// A budget that is there with the one that is wanted, as far as we set it.
pub fn compare(there: &Budget, wanted: &Budget) -> Compared {
    let limit = |b: &Budget| {
        let amount = b.budget_limit()?.amount().parse().ok();
        amount.map(Money::from_dollars)
    };
    #[expect(deprecated, reason = "as where it is set")]
    let filters = there.cost_filters() == wanted.cost_filters();
    if !filters || there.time_unit() != wanted.time_unit() {
        Compared::Other
    } else if limit(there) == limit(wanted) {
        Compared::Same
    } else {
        Compared::OtherLimit
    }
}

pub fn same_notifications(there: &[Notification], kind: Kind) -> bool {
    let wanted = kind.thresholds();
    there.len() == wanted.len()
        && wanted.iter().all(|(what, percent)| {
            there.iter().any(|n| {
                n.notification_type() == what && (n.threshold() - percent).abs() < f64::EPSILON
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(arn: &str) -> Wanted {
        Wanted::new(&Identity {
            account: "123456789012".to_owned(),
            arn: arn.to_owned(),
        })
    }

    #[test]
    fn owners_have_their_own_and_names_are_allowed() {
        let me = wanted("arn:aws:sts::123456789012:assumed-role/Dev/me@example.com");
        let other = wanted("arn:aws:sts::123456789012:assumed-role/Admin/me@example.com");
        assert!(
            me.name(Kind::Daily)
                .starts_with("remote-daily-me-example-com-")
        );
        assert_ne!(me.topic(), other.topic());
        let long = wanted(&format!(
            "arn:aws:iam::123456789012:user/{}",
            "é/:".repeat(99)
        ));
        for name in [long.topic(), long.name(Kind::Monthly)] {
            assert!(name.len() <= 100, "{name}");
            assert!(
                name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'),
                "{name}"
            );
        }
    }

    #[test]
    fn only_this_accounts_budgets_may_publish() {
        let me = wanted("arn:aws:iam::123456789012:user/me");
        let topic = me.topic_arn("us-east-1");
        assert!(topic.starts_with("arn:aws:sns:us-east-1:123456789012:remote-alert-me-"));
        let policy: serde_json::Value = serde_json::from_str(&me.policy(&topic)).expect("JSON");
        let statement = &policy["Statement"][0];
        assert_eq!(statement["Principal"]["Service"], "budgets.amazonaws.com");
        assert_eq!(statement["Resource"], topic);
        assert_eq!(
            statement["Condition"]["StringEquals"]["aws:SourceAccount"],
            "123456789012"
        );
    }

    #[test]
    fn a_day_is_not_forecast_and_a_month_is() -> Result<()> {
        let me = wanted("arn:aws:iam::123456789012:user/me");
        let kinds = |kind| -> Result<Vec<NotificationType>> {
            let all = me.notifications(kind, "arn:topic")?;
            let of = |n: &NotificationWithSubscribers| {
                n.notification().map(|n| n.notification_type().clone())
            };
            Ok(all.iter().filter_map(of).collect())
        };
        assert!(!kinds(Kind::Daily)?.contains(&NotificationType::Forecasted));
        assert!(kinds(Kind::Monthly)?.contains(&NotificationType::Forecasted));
        let daily = me.budget(Kind::Daily, Money::micros(5_000_000))?;
        let monthly = me.budget(Kind::Monthly, Money::micros(5_000_000))?;
        assert_eq!(daily.budget_limit().map(|l| l.amount()), Some("5.00"));
        assert_eq!(monthly.budget_limit().map(|l| l.amount()), Some("150.00"));
        assert_eq!(compare(&daily, &daily), Compared::Same);
        assert_eq!(compare(&daily, &monthly), Compared::Other);
        let other = me.budget(Kind::Daily, Money::micros(6_000_000))?;
        assert_eq!(compare(&daily, &other), Compared::OtherLimit);
        Ok(())
    }
}
