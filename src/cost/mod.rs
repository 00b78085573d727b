//! What machines cost: prices (AWS's list and spot history, cached; a dated book where they cannot be had),
//! spend by the second, the record of it, reports, budgets, and AWS's own alerts.

pub mod alert;
pub mod book;
pub mod budget;
mod cache;
mod lately;
mod ledger;
mod list;
mod prices;
mod report;
mod spend;
mod spot;

pub use lately::{Lately, lately};
pub use ledger::{Ledger, Record, Recorded, merge};
pub use prices::{Prices, Quote, Source, SpotQuote};
pub use report::{BreakEven, By, Group, Held, Report, date, report};
pub use spend::{
    ADDRESS, GP3_GIB_MONTH, NOT_COUNTED, Rate, SNAPSHOT_GIB_MONTH, Span, Spend, Volume, spend,
    surplus,
};

use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};

use crate::aws::readable;

/// What a call's error comes to, in a line: AWS's own words where it answered.
fn told<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {}", readable(message)),
        (Some(code), None) => code.to_owned(),
        _ => {
            let inner: &dyn std::error::Error = match error {
                SdkError::DispatchFailure(e) => match e.as_connector_error() {
                    Some(e) => e,
                    None => return "the request could not be sent".to_owned(),
                },
                SdkError::TimeoutError(_) => return "no answer in time".to_owned(),
                SdkError::ServiceError(e) => e.err(),
                _ => return "the answer could not be understood".to_owned(),
            };
            crate::error::innermost(inner)
        }
    }
}
