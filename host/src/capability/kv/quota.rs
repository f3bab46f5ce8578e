//! What an endpoint may keep through the import `kv`, all of its calls together.
//!
//! The store knows what is kept. A call that stays within the quota even if each key that it writes was new is let
//! go on without a look; only one that comes near is counted exactly, with what its keys hold now. Calls that run at
//! the same time do not see each other's writes: together they may go over by what each may write.

use super::{Kv, KvError, key, refused, unreachable_now};
use crate::capability::Scope;
use crate::limits::Limit;
use crate::plugin::CallState;
use crate::store::KvUse;

fn add(sum: &mut KvUse, size: Option<usize>) {
    if let Some(size) = size {
        sum.bytes = sum.bytes.saturating_add(size as u64);
        sum.count = sum.count.saturating_add(1);
    }
}

/// The name and the value of a key as it is stored, together.
async fn stored_size(scope: &Scope, name: &str) -> Result<Option<usize>, KvError> {
    let found = scope.store.get(&key(&scope.endpoint, scope.partition, name)).await;
    Ok(found.map_err(unreachable_now)?.map(|found| name.len() + found.value.len()))
}

impl CallState {
    /// Refuses a write that would make the endpoint keep more than it may. What makes it keep less is never refused,
    /// even if it is still too much.
    pub(super) async fn check_quota(&mut self, name: &str, value: &[u8]) -> Result<(), KvError> {
        let scope = self.scope.clone();
        let Kv { in_operation, writes, write_bytes, stored, .. } = &mut self.kv;
        if !*in_operation {
            // It is refused for that.
            return Ok(());
        }
        let quota = KvUse {
            bytes: scope.limits.get(Limit::KvQuotaBytes),
            count: scope.limits.get(Limit::KvQuotaCount),
        };
        let kept = scope.store.kv_use(&scope.endpoint);
        let size = name.len() + value.len();
        let most_bytes = kept.bytes.saturating_add((*write_bytes + size) as u64);
        let most_count = kept.count.saturating_add(writes.len() as u64 + 1);
        if most_bytes <= quota.bytes && most_count <= quota.count {
            return Ok(());
        }
        // All that the call writes, and what is there in place of it.
        let (mut after, mut before) = (kept, KvUse::default());
        for (name, value) in writes.iter().filter(|(other, _)| *other != name) {
            let there = match stored.get(name) {
                Some(there) => *there,
                None => *stored.entry(name.clone()).or_insert(stored_size(&scope, name).await?),
            };
            add(&mut before, there);
            add(&mut after, value.as_ref().map(|value| name.len() + value.len()));
        }
        let there = stored_size(&scope, name).await?;
        add(&mut before, there);
        add(&mut after, Some(size));
        let now = match writes.get(name) {
            Some(written) => written.as_ref().map(|value| name.len() + value.len()),
            None => there,
        };
        let (bytes, count) =
            (after.bytes.saturating_sub(before.bytes), after.count.saturating_sub(before.count));
        let too_long = now.is_none_or(|now| size > now) && bytes > quota.bytes;
        let too_many = now.is_none() && count > quota.count;
        if too_long || too_many {
            return Err(refused(
                2,
                format!(
                    "the endpoint would keep {bytes} bytes in {count} keys, and may keep {} bytes in {} keys: delete \
                     what is not needed, or have the operator raise the endpoint's limits \
                     kv_quota_bytes_max and kv_quota_count_max",
                    quota.bytes, quota.count
                ),
            ));
        }
        Ok(())
    }
}
