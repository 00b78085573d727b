//! What a session may cost, changed while it runs: only to what can be kept.

use super::Hub;
use crate::cost::budget::Meter;
use crate::model::{Money, now_ms};
use crate::proto::{ErrorCode, WireError};

impl Hub {
    /// Another budget.
    ///
    /// # Errors
    /// It could not be kept: nobody knows what the machine costs, or so much was spent already.
    pub fn set_budget(&self, budget: Money) -> Result<(), WireError> {
        let refused =
            |why: String, hint: String| Err(WireError::new(ErrorCode::BadRequest, why).hint(hint));
        {
            let mut inner = self.lock();
            let spec = &inner.spec;
            let hour = Money::micros(spec.price_microusd_per_hour);
            if hour.is_zero() {
                return refused(
                    format!(
                        "what {} costs is not known here, so no budget can be kept",
                        spec.id
                    ),
                    format!("`remote extend {} TIME` bounds it by time", spec.id),
                );
            }
            let spent = Meter::new(spec.created, hour).spent(now_ms());
            if spent >= budget {
                return refused(
                    format!(
                        "{} has cost {spent} already, which is no less than {budget}",
                        spec.id
                    ),
                    format!("`remote terminate {}` ends it at once", spec.id),
                );
            }
            inner.spec.budget_microusd = Some(budget.as_micros());
            inner.spec_changed = true;
            inner.notice = None;
        }
        self.touch();
        Ok(())
    }
}
