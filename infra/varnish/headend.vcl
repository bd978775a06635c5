vcl 4.1;

# A Headend origin behind Varnish (docs/cdn.md). What to cache and for how long is in its Cache-Control headers; a purge is
# never needed: what lasts has an address of its own, and everything else is fresh after seconds.

backend default {
    .host = "127.0.0.1";
    .port = "8888";
    .connect_timeout = 2s;
    # Longer than the 15 s for which a manifest waits for the first fragment.
    .first_byte_timeout = 30s;
}

sub vcl_recv {
    # What is asked is answered from memory or by the origin; nothing else passes.
    if (req.method != "GET" && req.method != "HEAD" && req.method != "OPTIONS") {
        return (synth(405));
    }
    # Only a DASH manifest's own mark says something to the origin; tokens of players are not part of the cache key.
    if (req.url ~ "\?(?:[^#]*&)?closing(?:&|$)") {
        set req.url = regsub(req.url, "\?.*$", "?closing");
    } else {
        set req.url = regsub(req.url, "\?.*$", "");
    }
    unset req.http.Authorization;
    unset req.http.Cookie;
    # A secret that viewers send is theirs; the origin gets ours: uncomment with HEADEND_ORIGIN_SECRET_HEADER.
    unset req.http.X-Origin-Secret;
    # set req.http.X-Origin-Secret = std.getenv("ORIGIN_SECRET");
    if (req.method == "OPTIONS") {
        return (pass);
    }
    return (hash);
}

sub vcl_backend_response {
    # Viewers get what is a little old while it is fetched anew, so that they never wait for each other; not for longer, so
    # that what is taken back is gone.
    set beresp.grace = 1s;
    set beresp.keep = 10s;
    if (beresp.http.Cache-Control ~ "private|no-store") {
        set beresp.uncacheable = true;
        # Errors are asked again soon; requests for them do not wait for each other.
        set beresp.ttl = 1s;
        return (deliver);
    }
    # Taken back within this time, whatever the player may keep: the origin is asked for it again, and its tag suffices.
    if (beresp.ttl > 10m) {
        set beresp.ttl = 10m;
    }
    return (deliver);
}
