// The system and process families: the machine that the gateway runs on, and its own process.
import { counter, gauge, geometric, histogram } from "./declare.ts";

export const host = {
  system_cpu_utilization_ratio: gauge("", [], "Share of all processors in use, 0 to 1."),
  system_memory_usage_bytes: gauge(
    "By",
    ["state"],
    "Memory by state (used, cached, free); the states add up to all of it.",
  ),
  system_memory_utilization_ratio: gauge("", [], "Share of memory that is not available to programs, 0 to 1."),
  system_disk_usage_bytes: gauge("By", ["device", "state"], "Disk space by device and state (used, free)."),
  system_disk_utilization_ratio: gauge("", ["device"], "Share of a disk's usable space that is used, 0 to 1."),
  system_network_io_bytes_total: counter(
    "By",
    ["direction"],
    "Bytes over all network interfaces but loopback (receive, transmit).",
  ),
  system_uptime_seconds: gauge("s", [], "Time since the machine started."),
  process_resident_memory_bytes: gauge("By", [], "Resident memory of the process."),
  process_cpu_seconds_total: counter("s", [], "Processor time that the process used, user and system."),
  process_open_fds: gauge("{fd}", [], "Open file descriptors of the process."),
  process_start_time_seconds: gauge("s", [], "When the process started, in seconds since 1970."),
  nodejs_eventloop_lag_seconds: gauge(
    "s",
    ["stat"],
    "How late the event loop was over the last 30 to 60 seconds (mean, p50, p99, max).",
  ),
  nodejs_heap_used_bytes: gauge("By", [], "JavaScript heap in use."),
  nodejs_gc_duration_seconds: histogram("s", [], "Pauses of garbage collection.", geometric(0.0001, 4, 8)),
};
