# Fields between blanks; the time is the last. A route is the first part of the path.
BEGIN { buckets = split("0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5", bound, " ") }
{
    route = substr($7, 2)
    end = match(route, /[\/?]/)
    if (end) route = substr(route, 1, end - 1)
    requests["method=\"" substr($6, 2) "\",route=\"/" route "\",status=\"" $9 "\""]++
    bytes[route] += $10
    seconds = $NF + 0
    sum[route] += seconds
    count[route]++
    for (at = 1; at <= buckets && seconds > bound[at]; at++) {}
    if (at <= buckets) within[route, at]++
}
END {
    for (labels in requests) printf "http_requests_total{%s} %d\n", labels, requests[labels]
    name = "http_request_duration_seconds"
    for (route in count) {
        label = "route=\"/" route "\""
        printf "http_response_bytes_total{%s} %.0f\n", label, bytes[route]
        sofar = 0
        for (at = 1; at <= buckets; at++) {
            sofar += within[route, at]
            printf "%s_bucket{le=\"%s\",%s} %d\n", name, bound[at], label, sofar
        }
        printf "%s_bucket{le=\"+Inf\",%s} %d\n", name, label, count[route]
        printf "%s_count{%s} %d\n%s_sum{%s} %.3f\n", name, label, count[route], name, label, sum[route]
    }
}
