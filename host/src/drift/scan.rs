//! All records of one kind that the host has of an endpoint.

use crate::endpoints::Endpoint;
use crate::error::{Error, Result};
use crate::store::{Key, Range, Space, Store, Versioned};
use bytes::Bytes;

/// How many records are read at a time.
const AT_A_TIME: usize = 500;

/// Shows each record to `see`, in order: its key, its name after the endpoint's, and what it holds.
pub(super) async fn scan(
    store: &dyn Store,
    endpoint: &Endpoint,
    space: Space,
    mut see: impl FnMut(&Key, &str, &Versioned) -> Result<()>,
) -> Result<()> {
    let prefix = Bytes::from(format!("{}\0", endpoint.id()).into_bytes());
    let mut range =
        Range { space, partition: endpoint.partition, prefix, after: None, limit: AT_A_TIME };
    loop {
        let page = store.scan(&range).await?;
        for (body, found) in &page.entries {
            let name = body.get(range.prefix.len()..).unwrap_or_default();
            let name = std::str::from_utf8(name).map_err(Error::internal)?;
            let key = Key { space, partition: endpoint.partition, body: body.clone() };
            see(&key, name, found)?;
        }
        match page.entries.last() {
            Some((body, _)) if page.more => range.after = Some(body.clone()),
            _ => return Ok(()),
        }
        // Other tasks of this thread go on between two pages.
        tokio::task::yield_now().await;
    }
}
