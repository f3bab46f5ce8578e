//! Who decides about an operation is the only one who does something about it meanwhile.

use super::changed_meanwhile;
use crate::endpoints::Endpoint;
use crate::error::{Error, ErrorCode, Result};
use crate::journal::Journal;
use crate::store::json::{put, read, unchanged};
use crate::store::operation::{OpenRecord, open_key};
use crate::store::{Tx, commit_patiently};
use std::sync::Arc;
use std::time::Duration;

impl Journal {
    /// Has an operation that is open run no more, and waits until it does not.
    pub(super) async fn set_aside(
        &self,
        endpoint: &Endpoint,
        id: &str,
        open: OpenRecord,
        version: u64,
        by: &str,
    ) -> Result<(OpenRecord, u64)> {
        let key = open_key(endpoint.id(), id);
        let mut tx = Tx::new(endpoint.partition);
        tx.conditions.push(unchanged(key.clone(), Some(version)));
        let record = OpenRecord { stuck: Some(format!("it was set aside by {by}")), ..open };
        tx.operations.push(put(key.clone(), &record)?);
        commit_patiently(&*self.store, tx).await.map_err(changed_meanwhile)?;
        let longest = endpoint.call_timeout()
            + Duration::from_millis(self.settings.pending_wait_ms)
            + Duration::from_secs(5);
        if tokio::time::timeout(longest, self.running.end(endpoint.id(), id)).await.is_err() {
            let text = "The operation still runs. It is set aside and will not run again: decide about it when it has stopped.";
            return Err(Error::new(ErrorCode::Conflict, text).retry_after(Duration::from_secs(5)));
        }
        match read::<OpenRecord>(&*self.store, &key).await? {
            Some(found) => Ok(found),
            None => {
                let text = "The operation has come to an end meanwhile: its caller has the answer.";
                Err(Error::new(ErrorCode::Conflict, text))
            }
        }
    }

    /// Lets an operation that was set aside go on as before, since the decision was refused. Where that fails it stays
    /// aside, as its `why` says: whoever decides next finds it.
    pub(super) async fn put_back(self: &Arc<Self>, endpoint: &Endpoint, id: &str, version: u64) {
        let key = open_key(endpoint.id(), id);
        let put_back = async {
            let Some((open, now)) = read::<OpenRecord>(&*self.store, &key).await? else {
                return Ok(());
            };
            // Somebody else has decided meanwhile.
            if now != version {
                return Ok(());
            }
            let mut tx = Tx::new(endpoint.partition);
            tx.conditions.push(unchanged(key.clone(), Some(version)));
            tx.operations.push(put(key.clone(), &OpenRecord { stuck: None, ..open })?);
            commit_patiently(&*self.store, tx).await.map_err(changed_meanwhile)?;
            self.take_up_now(endpoint.id(), id);
            Ok::<_, Error>(())
        };
        if let Err(error) = put_back.await {
            tracing::warn!(
                endpoint = endpoint.id(),
                operation = id,
                error = error.message,
                "an operation stays aside"
            );
        }
    }
}
