// The clock that stamps are read from: time of day, which can be set, and a count of ns beside it, which no step
// sets back. It goes round every 2^48 ns, 78 hours: differences of it are taken modulo 2^64 of its units.
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

  // Takes effect with the next cycle; set_ns of 10^9 or more is no time, and sets nothing.
  input  wire         set_valid,
  input  wire [47:0]  set_seconds,
  input  wire [29:0]  set_ns,

  output logic [95:0] tod,
  output logic [63:0] count,
  output logic [15:0] generation
);

  // A second has so many blocks of 512 ns, and no period is half as long as one: whoever enters the next block is in it for
  // another cycle at least, which is time to see what follows it.
  localparam logic [20:0] LAST_BLOCK = 21'(1_000_000_000 / 512 - 1);

  wire sets = set_valid && set_ns[29:9] <= LAST_BLOCK;

  // The step, and its ns with the cycle after: fractions are added up a cycle ahead.
  logic [39:0] step;
  logic [7:0]  step_ns;
  // The day's present second: its blocks, ns and fraction, what follows the block, and which second follows.
  logic [20:0] block, block_next;
  logic        block_is_last;
  logic [8:0]  ns;
  logic [15:0] fraction;
  logic [47:0] seconds, seconds_next;
  logic [47:0] total_ns;
  logic [15:0] total_fraction;
  // The fractions of the next cycle, and whether they carry into its ns.
  logic [31:0] fraction_on, total_fraction_on;
  logic        carry_on, total_carry_on;

  wire [9:0] ns_on = {1'b0, ns} + {2'b00, step_ns} + {9'd0, carry_on};
  wire enters_block = ns_on[9];

  always_ff @(posedge clk) begin
    step <= {period_ns, period_fraction};
    step_ns <= step[39:32];
    if (rst) begin
      step <= '0;
      step_ns <= '0;
      block <= '0;
      block_next <= 21'd1;
      block_is_last <= 1'b0;
      ns <= '0;
      fraction <= '0;
      fraction_on <= '0;
      carry_on <= 1'b0;
      seconds <= '0;
      seconds_next <= 48'd1;
      total_ns <= '0;
      total_fraction <= '0;
      total_fraction_on <= '0;
      total_carry_on <= 1'b0;
      generation <= '0;
    end else begin
      total_ns <= total_ns + {40'd0, step_ns} + {47'd0, total_carry_on};
      total_fraction <= total_fraction_on[31:16];
      {total_carry_on, total_fraction_on} <= {1'b0, total_fraction_on} + {1'b0, step[31:0]};
      if (sets) begin
        block <= set_ns[29:9];
        block_next <= set_ns[29:9] == LAST_BLOCK ? 21'd0 : set_ns[29:9] + 21'd1;
        block_is_last <= set_ns[29:9] == LAST_BLOCK;
        ns <= set_ns[8:0];
        fraction <= '0;
        {carry_on, fraction_on} <= {1'b0, step[31:0]};
        seconds <= set_seconds;
        seconds_next <= set_seconds + 48'd1;
        generation <= generation + 16'd1;
      end else begin
        if (enters_block) block <= block_next;
        block_next <= block == LAST_BLOCK ? 21'd0 : block + 21'd1;
        block_is_last <= block == LAST_BLOCK;
        ns <= ns_on[8:0];
        fraction <= fraction_on[31:16];
        {carry_on, fraction_on} <= {1'b0, fraction_on} + {1'b0, step[31:0]};
        if (enters_block && block_is_last) seconds <= seconds_next;
        seconds_next <= seconds + 48'd1;
      end
    end
  end

  assign tod = {seconds, 2'b00, block, ns, fraction};
  assign count = {total_ns, total_fraction};

endmodule

`default_nettype wire
