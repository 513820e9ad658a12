`default_nettype none

module ptp_clock_formal (
  input wire        clk,
  input wire        rst,
  input wire [7:0]  period_ns,
  input wire [31:0] period_fraction,
  input wire        set_valid,
  input wire [47:0] set_seconds,
  input wire [29:0] set_ns
);

  wire [95:0] tod;
  wire [63:0] count;
  wire [15:0] generation;

  ptp_clock dut (
    .clk(clk), .rst(rst), .period_ns(period_ns), .period_fraction(period_fraction), .set_valid(set_valid),
    .set_seconds(set_seconds), .set_ns(set_ns), .tod(tod), .count(count), .generation(generation)
  );

  reg started = 1'b0;
  reg was_running = 1'b0;
  reg was_set = 1'b0;
  reg [95:0] was_tod, set_to;
  reg [63:0] was_count;
  reg [15:0] was_generation;

  always @(posedge clk) begin
    started <= 1'b1;
    if (!started) assume (rst);
    was_running <= !rst;
    // What is no time of day is not set.
    was_set <= set_valid && set_ns < 30'd1000000000 && !rst;
    set_to <= {set_seconds, 2'b00, set_ns, 16'd0};
    was_tod <= tod;
    was_count <= count;
    was_generation <= generation;
    if (started) begin
      // property: a second has 10^9 ns
      assert (tod[47:16] < 32'd1000000000);
      if (was_running) begin
        // property: each cycle the count goes on by no more than a period, and past its end it goes round
        assert (count - was_count <= {40'd0, 8'hff, 16'hffff} + 64'd1);
        // property: a step of the time of day, and nothing else, begins a generation
        assert (generation == was_generation + {15'd0, was_set});
        // property: it is set to what was asked for
        if (was_set) assert (tod == set_to);
        // property: without a step a second is followed by the next alone
        else assert (tod[95:48] == was_tod[95:48] || (tod[95:48] == was_tod[95:48] + 48'd1 && tod[47:16] < 32'd256));
      end
    end
  end

endmodule

`default_nettype wire
