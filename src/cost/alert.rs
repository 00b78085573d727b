//! AWS's own watch over what is spent: an SNS topic that budgets may publish to, an e-mail subscription, and
//! two budgets on what the owner's machines cost. AWS takes forecasts for a month's budget only, so the day's
//! tells of actual spend and the month's, of thirty times the amount, of where it is going. Setting it twice
//! changes nothing; all of it is tagged, and in one region, so that every device finds it.

mod wanted;

use aws_config::{Region, SdkConfig};
use aws_sdk_budgets::types::{Budget, ResourceTag};
use aws_sdk_sns::types::Tag;
use serde::Serialize;

use super::told;
use crate::aws::{allow, missing_action};
use crate::error::{Error, Result};
use crate::model::Money;

use wanted::{Compared, Kind, Wanted};
pub use wanted::{FORECAST_DAYS, OWNER_TAG};

/// Where the topic lies, and the budgets' only endpoint.
const REGION: &str = "us-east-1";
/// What AWS says of what is not there.
const ABSENT: [&str; 2] = ["NotFoundException", "NotFound"];

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Twelve digits.
    pub account: String,
    /// Also the value of the tag `remote:owner`.
    pub arn: String,
}

/// What there is of alerts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Alert {
    pub topic: Option<String>,
    /// Addresses, and whether their owners have confirmed.
    pub emails: Vec<Email>,
    pub budgets: Vec<Watched>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Email {
    pub address: String,
    pub confirmed: bool,
}

/// One budget, as AWS reckons it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Watched {
    pub name: String,
    /// `daily`, `monthly`
    pub period: &'static str,
    pub limit: Option<Money>,
    /// Of the current period; hours late.
    pub actual: Option<Money>,
    pub forecast: Option<Money>,
}

/// The clients, and whose alert it is.
#[derive(Debug)]
pub struct Alerts {
    sns: aws_sdk_sns::Client,
    budgets: aws_sdk_budgets::Client,
    who: Identity,
    wanted: Wanted,
}

impl Alerts {
    /// # Errors
    /// AWS does not say who we are.
    pub async fn open(sdk: &SdkConfig) -> Result<Self> {
        let who = identity(sdk).await?;
        let here = sdk.to_builder().region(Region::new(REGION)).build();
        Ok(Self {
            sns: aws_sdk_sns::Client::new(&here),
            budgets: aws_sdk_budgets::Client::new(&here),
            wanted: Wanted::new(&who),
            who,
        })
    }

    /// Makes what is missing and changes what differs; each step in a line to `steps`.
    ///
    /// # Errors
    /// A call that AWS refuses, by its action. What was made before it stays; setting again goes on there.
    pub async fn set(
        &self,
        daily: Money,
        email: &str,
        steps: &mut dyn FnMut(String),
    ) -> Result<()> {
        let topic = self.topic().await?;
        steps(format!("topic {topic}"));
        match self.subscribed(&topic, email).await? {
            Some(true) => steps(format!("{email} is subscribed")),
            Some(false) => steps(format!("{email} has not confirmed yet")),
            None => {
                let subscribing = self.sns.subscribe();
                let subscribing = subscribing
                    .topic_arn(&topic)
                    .protocol("email")
                    .endpoint(email);
                subscribing
                    .send()
                    .await
                    .map_err(|e| refused("sns:Subscribe", &told(&e)))?;
                steps(format!("{email} was sent a link to confirm"));
            }
        }
        for kind in Kind::ALL {
            let budget = self.wanted.budget(kind, daily)?;
            let limit = kind.limit(daily);
            let name = budget.budget_name().to_owned();
            let period = kind.period();
            match self.compare(&budget, kind).await? {
                Compared::Same => {
                    steps(format!("{period} budget {name} is at {limit}"));
                    continue;
                }
                Compared::OtherLimit => {
                    self.budgets
                        .update_budget()
                        .account_id(&self.who.account)
                        .new_budget(budget)
                        .send()
                        .await
                        .map_err(|e| refused("budgets:ModifyBudget", &told(&e)))?;
                    steps(format!("{period} budget {name}, now of {limit}"));
                    continue;
                }
                // Somebody changed it by hand: made anew, with its notifications and subscribers.
                Compared::Other => {
                    self.delete_budget(&name).await?;
                }
                Compared::Missing => {}
            }
            let tag = ResourceTag::builder()
                .key(OWNER_TAG)
                .value(&self.who.arn)
                .build();
            self.budgets
                .create_budget()
                .account_id(&self.who.account)
                .budget(budget)
                .set_notifications_with_subscribers(Some(self.wanted.notifications(kind, &topic)?))
                .resource_tags(tag.map_err(internal)?)
                .send()
                .await
                .map_err(|e| refused("budgets:ModifyBudget", &told(&e)))?;
            steps(format!("{period} budget {name} of {limit}"));
        }
        Ok(())
    }

    /// What there is.
    ///
    /// # Errors
    /// A call that AWS refuses, by its action.
    pub async fn show(&self) -> Result<Alert> {
        let mut alert = Alert::default();
        let topic = self.wanted.topic_arn(REGION);
        if let Some(subscriptions) = self.subscriptions(&topic).await? {
            alert.topic = Some(topic);
            alert.emails = subscriptions;
        }
        for kind in Kind::ALL {
            let Some(budget) = self.budget(&self.wanted.name(kind)).await? else {
                continue;
            };
            let money = |spend: &aws_sdk_budgets::types::Spend| {
                spend.amount().parse().ok().map(Money::from_dollars)
            };
            let spend = budget.calculated_spend();
            alert.budgets.push(Watched {
                name: budget.budget_name().to_owned(),
                period: kind.period(),
                limit: budget.budget_limit().and_then(money),
                actual: spend.and_then(|s| s.actual_spend()).and_then(money),
                forecast: spend.and_then(|s| s.forecasted_spend()).and_then(money),
            });
        }
        Ok(alert)
    }

    /// Takes all of it away; tells what was there.
    ///
    /// # Errors
    /// A call that AWS refuses, by its action; what is left is still shown by [`Alerts::show`].
    pub async fn remove(&self) -> Result<Vec<String>> {
        let mut removed = Vec::new();
        for kind in Kind::ALL {
            let name = self.wanted.name(kind);
            if self.delete_budget(&name).await? {
                removed.push(format!("{} budget {name}", kind.period()));
            }
        }
        let topic = self.wanted.topic_arn(REGION);
        // DeleteTopic does not tell whether there was one.
        if self.subscriptions(&topic).await?.is_some() {
            self.sns
                .delete_topic()
                .topic_arn(&topic)
                .send()
                .await
                .map_err(|e| refused("sns:DeleteTopic", &told(&e)))?;
            removed.push(format!("topic {topic} and its subscriptions"));
        }
        Ok(removed)
    }

    /// The topic, made where it is not there, with its policy.
    async fn topic(&self) -> Result<String> {
        let tag = Tag::builder().key(OWNER_TAG).value(&self.who.arn).build();
        let made = self
            .sns
            .create_topic()
            .name(self.wanted.topic())
            .tags(tag.map_err(internal)?)
            .send()
            .await
            .map_err(|e| refused("sns:CreateTopic", &told(&e)))?;
        let arn = made.topic_arn().map(str::to_owned);
        let arn = arn.unwrap_or_else(|| self.wanted.topic_arn(REGION));
        self.sns
            .set_topic_attributes()
            .topic_arn(&arn)
            .attribute_name("Policy")
            .attribute_value(self.wanted.policy(&arn))
            .send()
            .await
            .map_err(|e| refused("sns:SetTopicAttributes", &told(&e)))?;
        Ok(arn)
    }

    /// Whether `email` is subscribed, and has confirmed.
    async fn subscribed(&self, topic: &str, email: &str) -> Result<Option<bool>> {
        let all = self.subscriptions(topic).await?.unwrap_or_default();
        let ours = all.iter().find(|e| e.address.eq_ignore_ascii_case(email));
        Ok(ours.map(|e| e.confirmed))
    }

    /// The topic's e-mail subscriptions; `None` where there is no topic.
    async fn subscriptions(&self, topic: &str) -> Result<Option<Vec<Email>>> {
        let mut pages = self
            .sns
            .list_subscriptions_by_topic()
            .topic_arn(topic)
            .into_paginator()
            .send();
        let mut all = Vec::new();
        while let Some(page) = pages.next().await {
            let page = match page {
                Ok(page) => page,
                Err(e) if is_absent(&e) => return Ok(None),
                Err(e) => return Err(refused("sns:ListSubscriptionsByTopic", &told(&e))),
            };
            for one in page.subscriptions() {
                if one.protocol() == Some("email") {
                    all.push(Email {
                        address: one.endpoint().unwrap_or_default().to_owned(),
                        // Until then its ARN is a word: `PendingConfirmation`.
                        confirmed: one
                            .subscription_arn()
                            .is_some_and(|a| a.starts_with("arn:")),
                    });
                }
            }
        }
        Ok(Some(all))
    }

    async fn budget(&self, name: &str) -> Result<Option<Budget>> {
        let asked = self
            .budgets
            .describe_budget()
            .account_id(&self.who.account)
            .budget_name(name);
        match asked.send().await {
            Ok(answer) => Ok(answer.budget().cloned()),
            Err(e) if is_absent(&e) => Ok(None),
            Err(e) => Err(refused("budgets:ViewBudget", &told(&e))),
        }
    }

    async fn compare(&self, wanted: &Budget, kind: Kind) -> Result<Compared> {
        let Some(there) = self.budget(wanted.budget_name()).await? else {
            return Ok(Compared::Missing);
        };
        let notifications = self
            .budgets
            .describe_notifications_for_budget()
            .account_id(&self.who.account)
            .budget_name(wanted.budget_name())
            .send()
            .await
            .map_err(|e| refused("budgets:ViewBudget", &told(&e)))?;
        let same = wanted::same_notifications(notifications.notifications(), kind);
        Ok(match wanted::compare(&there, wanted) {
            Compared::Same | Compared::OtherLimit if !same => Compared::Other,
            compared => compared,
        })
    }

    async fn delete_budget(&self, name: &str) -> Result<bool> {
        let deleting = self
            .budgets
            .delete_budget()
            .account_id(&self.who.account)
            .budget_name(name);
        match deleting.send().await {
            Ok(_) => Ok(true),
            Err(e) if is_absent(&e) => Ok(false),
            Err(e) => Err(refused("budgets:ModifyBudget", &told(&e))),
        }
    }
}

/// Who we are to AWS.
///
/// # Errors
/// AWS does not answer, or does not know our credentials.
pub async fn identity(sdk: &SdkConfig) -> Result<Identity> {
    let answer = aws_sdk_sts::Client::new(sdk)
        .get_caller_identity()
        .send()
        .await
        .map_err(|e| refused("sts:GetCallerIdentity", &told(&e)))?;
    match (answer.account(), answer.arn()) {
        (Some(account), Some(arn)) => Ok(Identity {
            account: account.to_owned(),
            arn: arn.to_owned(),
        }),
        _ => Err(Error::user("AWS does not say whose credentials these are")
            .hint("run `remote init` to check them")),
    }
}

fn is_absent<E, R>(error: &aws_sdk_ec2::error::SdkError<E, R>) -> bool
where
    E: aws_sdk_ec2::error::ProvideErrorMetadata,
{
    error
        .as_service_error()
        .and_then(|e| e.meta().code())
        .is_some_and(|code| ABSENT.contains(&code))
}

fn refused(action: &str, why: &str) -> Error {
    let denied = [
        "AccessDenied",
        "AuthorizationError",
        "UnauthorizedOperation",
    ];
    if !denied.iter().any(|word| why.starts_with(word)) {
        return Error::user(format!("{action} failed: {why}"))
            .hint("run the same command again: what is there already is left as it is");
    }
    // A call may need more than its own action: CreateTopic with tags needs TagResource too.
    let action = missing_action(why).unwrap_or_else(|| action.to_owned());
    Error::user(format!("AWS does not permit {action}: {why}"))
        .hint(allow(&action))
        .hint("then run the same command again: what is there already is left as it is")
}

fn internal(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::internal("a request to AWS cannot be made").because(error)
}
