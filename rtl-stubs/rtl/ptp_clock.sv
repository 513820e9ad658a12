// The clock that stamps are read from: time of day, which can be set, and a count of ns beside it, which only
// ever goes on.
//
// Each cycle adds `period`, in ns and 2^-32 ns. Writing another period slews the clock; it takes effect whole, in
// the third cycle after it is given. Setting the time of day steps it: `generation` grows by one with the first
// reading of the new time, so that nobody takes the difference of two stamps across a step (RxStamp in
// offload/src/stamp.rs).
//
//   tod   [95:48] seconds, [47:16] ns, below 10^9, [15:0] 2^-16 ns
//   count [63:16] ns, [15:0] 2^-16 ns, from zero at reset
`default_nettype none

module ptp_clock (
  input  wire         clk,
  input  wire         rst,

  input  wire [7:0]   period_ns,
  input  wire [31:0]  period_fraction,

  // Takes effect with the next cycle. set_ns is below 10^9.
  input  wire         set_valid,
  input  wire [47:0]  set_seconds,
  input  wire [29:0]  set_ns,

  output logic [95:0] tod,
  output logic [63:0] count,
  output logic [15:0] generation
);

  localparam logic [31:0] NS_PER_S = 32'd1_000_000_000;

  // The step, and the same less a second, ready before it is needed.
  logic [39:0] step_0, step_1;
  logic [63:0] step_less_1;
  // The ns of the day's present second with its fraction, and which second that and the next one is.
  logic [63:0] ns;
  logic [47:0] seconds, seconds_next;
  logic [79:0] total;

  wire [63:0] ns_on = ns + {24'd0, step_1};
  wire [63:0] ns_over = ns + step_less_1;
  // Below a second: the difference is negative.
  wire wraps = !ns_over[63];

  always_ff @(posedge clk) begin
    step_0 <= {period_ns, period_fraction};
    step_1 <= step_0;
    step_less_1 <= {24'd0, step_0} - {NS_PER_S, 32'd0};
    if (rst) begin
      step_0 <= '0;
      step_1 <= '0;
      step_less_1 <= -{NS_PER_S, 32'd0};
      ns <= '0;
      seconds <= '0;
      seconds_next <= 48'd1;
      total <= '0;
      generation <= '0;
    end else begin
      total <= total + {40'd0, step_1};
      if (set_valid) begin
        ns <= {2'b00, set_ns, 32'd0};
        seconds <= set_seconds;
        seconds_next <= set_seconds + 48'd1;
        generation <= generation + 16'd1;
      end else begin
        ns <= wraps ? ns_over : ns_on;
        if (wraps) seconds <= seconds_next;
        // A second is longer than two cycles.
        seconds_next <= seconds + 48'd1;
      end
    end
  end

  assign tod = {seconds, ns[63:16]};
  assign count = total[79:16];

endmodule

`default_nettype wire
