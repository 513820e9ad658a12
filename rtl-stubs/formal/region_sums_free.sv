// In place of region_sums where a proof is not about sums: they come when they come there, and are anything.
`default_nettype none

module region_sums #(
  parameter DATA_W = 64,
  localparam BEAT_BITS = offload_pkg::POS_BITS - $clog2(DATA_W / 8)
) (
  input  wire                             clk,
  input  wire                             rst,
  input  wire                             beat_valid,
  input  wire                             beat_first,
  input  wire                             beat_last,
  input  wire [DATA_W-1:0]                beat_data,
  input  wire [BEAT_BITS-1:0]             beat_index,
  input  wire                             l3_known,
  input  wire [5:0]                       l3_word,
  input  wire [5:0]                       l4_word,
  input  wire [offload_pkg::POS_BITS-1:0] l4_end,
  input  wire                             skip,
  input  wire [5:0]                       skip_word,
  input  wire [18:0]                      l4_extra,
  output wire                             sums_valid,
  output wire [31:0]                      raw_sum,
  output wire [31:0]                      l3_sum,
  output wire [31:0]                      l4_sum
);

  localparam CYCLES = DATA_W > 64 ? 4 : 1;

  (* anyseq *) reg [95:0] sums;
  assign {raw_sum, l3_sum, l4_sum} = sums;
  reg [CYCLES-1:0] ends;
  always @(posedge clk) ends <= rst ? 0 : {ends, beat_valid && beat_last};
  assign sums_valid = ends[CYCLES-1];

endmodule

`default_nettype wire
