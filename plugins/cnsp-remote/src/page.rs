//! Lists, a page at a time. CNSP 1.0 has no pages: a remote may answer all of a list whatever it is asked, or
//! say in a header where it goes on. (RFC 8288.)

use crate::object::Object;
use crate::remote::{Answered, Remote, encode};
use cnsp_sdk::Failure;
use cnsp_sdk::http::Response;
use cnsp_sdk::types::Page;

/// The host passes on no longer cursor than 1,024 bytes.
const QUERY_BYTES_MAX: usize = 1000;
/// More pages than this are not read in one call, to look for one thing.
const PAGES_MAX: usize = 20;

/// Which items are wanted: of which page of the remote's, and from which on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    limit: Option<usize>,
    /// How many items of the remote's page were had before: one that does not page answers too many.
    offset: usize,
    /// The remote's own page. None: the first.
    query: Option<String>,
}

impl Wanted {
    /// Our cursors are `OFFSET:QUERY`.
    pub(crate) fn of(page: Page) -> Result<Wanted, Failure> {
        let limit = page.limit.map(|limit| limit as usize);
        let Some(after) = page.after else { return Ok(Wanted { limit, offset: 0, query: None }) };
        let parts =
            after.split_once(':').and_then(|(offset, query)| Some((offset.parse().ok()?, query)));
        let Some((offset, query)) = parts else {
            return Err(Failure::invalid("`after` is not a cursor of this list."));
        };
        let query = Some(query).filter(|query| !query.is_empty()).map(str::to_owned);
        Ok(Wanted { limit, offset, query })
    }

    /// The query to send: the remote's own for its page, else ours.
    fn query(&self, first: &[(&str, &str)]) -> String {
        match &self.query {
            Some(query) => query.clone(),
            None => {
                let limit = self.limit.map(|limit| limit.to_string());
                let limit = limit.as_deref().map(|limit| ("limit", limit));
                let parts = first.iter().copied().chain(limit);
                let parts = parts.map(|(key, value)| format!("{key}={}", encode(value)));
                parts.collect::<Vec<_>>().join("&")
            }
        }
    }

    /// Asks for the page. `first` is the query of the first one.
    pub(crate) fn get(
        &self,
        remote: &Remote,
        path: &str,
        first: &[(&str, &str)],
    ) -> Result<Answered, Failure> {
        remote.get(path, &self.query(first))
    }

    /// The wanted ones of a page's items, and where the next ones are.
    pub(crate) fn cut<T>(
        self,
        mut items: Vec<T>,
        next: Option<String>,
    ) -> (Vec<T>, Option<String>) {
        let left = items.len().saturating_sub(self.offset);
        items.drain(..self.offset.min(items.len()));
        match self.limit {
            Some(limit) if left > limit => {
                items.truncate(limit);
                let query = self.query.unwrap_or_default();
                (items, Some(format!("{}:{query}", self.offset + limit)))
            }
            _ => (items, next.map(|next| format!("0:{next}"))),
        }
    }
}

/// Where a list goes on: the query of the link whose relation is `next`. Only the query: a remote does not send
/// us elsewhere.
pub(crate) fn next(response: &Response) -> Option<String> {
    let links = response.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("link"));
    links.flat_map(|header| split(&header.value)).find_map(|link| {
        let (url, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = parameters.split(';').any(|parameter| {
            let Some((name, value)) = parameter.trim().split_once('=') else { return false };
            let value = value.trim().trim_matches('"');
            name.trim().eq_ignore_ascii_case("rel")
                && value.split_whitespace().any(|word| word.eq_ignore_ascii_case("next"))
        });
        let query = url.split('#').next()?.split_once('?')?.1;
        let fits = !query.is_empty() && query.len() <= QUERY_BYTES_MAX;
        (is_next && fits).then(|| query.to_owned())
    })
}

/// The links of one header: commas are between them, and may be inside of one's URL.
fn split(header: &str) -> Vec<&str> {
    let mut links = Vec::new();
    let mut rest = header;
    while let Some(begin) = rest.find('<') {
        rest = rest.get(begin..).unwrap_or_default();
        let end = rest.find('>').and_then(|end| Some(end + rest.get(end..)?.find(',')?));
        let (link, behind) = rest.split_at(end.unwrap_or(rest.len()));
        links.push(link);
        rest = behind;
    }
    links
}

/// What was found of a list.
#[derive(Default)]
pub(crate) struct Listed {
    pub(crate) items: Vec<Object>,
    /// Whether this is all of it.
    pub(crate) whole: bool,
}

/// The items of a list, to look for something among them.
pub(crate) fn all(
    remote: &Remote,
    path: &str,
    first: &[(&str, &str)],
    key: &str,
) -> Result<Listed, Failure> {
    let mut items = Vec::new();
    let mut wanted = Wanted { limit: None, offset: 0, query: None };
    for _ in 0..PAGES_MAX {
        let Answered { mut response, next, .. } = wanted.get(remote, path, first)?;
        items.extend(response.required_list(key)?);
        match next {
            Some(_) if next != wanted.query => wanted.query = next,
            _ => return Ok(Listed { items, whole: true }),
        }
    }
    Ok(Listed { items, whole: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use cnsp_sdk::http::Header;

    fn response(links: &[&str]) -> Response {
        let header = |link: &&str| Header { name: "Link".to_owned(), value: (*link).to_owned() };
        Response { status: 200, headers: links.iter().map(header).collect(), body: vec![] }
    }

    #[test]
    fn the_next_pages_query_is_found_among_links() {
        for (links, query) in [
            (
                vec![r#"</apiv1/account?limit=2&after=a%2Cb>; rel="next""#],
                Some("limit=2&after=a%2Cb"),
            ),
            (
                vec![
                    r#"<https://x.example/a?page=1>; rel="prev", <https://x.example/a?page=3#f>; rel=next"#,
                ],
                Some("page=3"),
            ),
            (vec!["<?a=1>; rel=first", "<?a=1,2>; title=\"x\"; REL=\"last next\""], Some("a=1,2")),
            (vec!["</a>; rel=next"], None),
            (vec!["<?a=1>; rel=prev"], None),
            (vec!["nonsense", "<", "<?a=1", ">"], None),
            (vec![], None),
        ] {
            assert_eq!(next(&response(&links)).as_deref(), query, "{links:?}");
        }
        let long = format!("<?a={}>; rel=next", "x".repeat(1000));
        assert_eq!(next(&response(&[&long])), None);
    }

    #[test]
    fn a_list_that_does_not_page_is_cut() {
        let page = |limit, after: Option<&str>| {
            Wanted::of(Page { limit, after: after.map(str::to_owned) }).unwrap()
        };
        let all = || vec![1, 2, 3, 4, 5];
        assert_eq!(page(None, None).cut(all(), None), (all(), None));
        assert_eq!(page(Some(2), None).cut(all(), None), (vec![1, 2], Some("2:".to_owned())));
        assert_eq!(page(Some(2), Some("2:")).cut(all(), None), (vec![3, 4], Some("4:".to_owned())));
        assert_eq!(page(Some(2), Some("4:")).cut(all(), None), (vec![5], None));
        assert_eq!(page(Some(2), Some("9:")).cut(all(), None), (vec![], None));
        let (items, next) = page(Some(2), Some("1:p=2")).cut(all(), Some("p=3".to_owned()));
        assert_eq!((items, next.as_deref()), (vec![2, 3], Some("3:p=2")));
        let (items, next) = page(Some(9), Some("3:p=2")).cut(all(), Some("p=3".to_owned()));
        assert_eq!((items, next.as_deref()), (vec![4, 5], Some("0:p=3")));
        assert_eq!(page(Some(2), None).query(&[("kind", "a b")]), "kind=a%20b&limit=2");
        assert_eq!(page(Some(2), Some("0:p=2")).query(&[("kind", "a")]), "p=2");
        for wrong in ["", "x", "x:", "-1:"] {
            assert!(Wanted::of(Page { limit: None, after: Some(wrong.to_owned()) }).is_err());
        }
    }
}
