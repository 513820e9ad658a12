// In place of flow_match where a proof is about what becomes of its answers: they come when they come there, and are
// bits of the key; at any other time they are anything.
`default_nettype none

module flow_match #(
  parameter RULES = 16,
  parameter PRIORITY_BITS = 4,
  parameter QUEUE_BITS = 4,
  parameter COUNT_BITS = 48,
  parameter LIFE_BITS = 8,
  localparam INDEX_BITS = $clog2(RULES)
) (
  input  wire                     clk,
  input  wire                     rst,
  input  wire                     write_valid,
  input  wire [INDEX_BITS-1:0]    write_index,
  input  wire                     write_enable,
  input  wire [PRIORITY_BITS-1:0] write_priority,
  input  wire [127:16]            write_value,
  input  wire [127:16]            write_mask,
  input  wire                     write_drop,
  input  wire [QUEUE_BITS-1:0]    write_queue,
  input  wire                     write_marks,
  input  wire [31:0]              write_mark,
  input  wire                     write_counts,
  output wire [31:0]              generation,
  input  wire                     key_valid,
  input  wire [127:16]            key,
  output wire                     match_valid,
  output wire                     match_hit,
  output wire [INDEX_BITS-1:0]    match_index,
  output wire [LIFE_BITS-1:0]     match_life,
  output wire                     match_drop,
  output wire [QUEUE_BITS-1:0]    match_queue,
  output wire                     match_marks,
  output wire [31:0]              match_mark,
  output wire [31:0]              match_generation,
  input  wire                     count_valid,
  input  wire [INDEX_BITS-1:0]    count_index,
  input  wire [LIFE_BITS-1:0]     count_life,
  input  wire [16:0]              count_bytes,
  input  wire                     read_valid,
  input  wire [INDEX_BITS-1:0]    read_index,
  output wire [COUNT_BITS-1:0]    read_hits,
  output wire [COUNT_BITS-1:0]    read_bytes
);

  localparam LATENCY = 4;

  reg [LATENCY-1:0] keys;
  reg [4*LATENCY-1:0] keys_bits;
  always @(posedge clk) begin
    keys <= rst ? 0 : {keys, key_valid};
    keys_bits <= {keys_bits, key[19:16]};
  end
  (* anyseq *) reg [3:0] anything;
  wire [3:0] bits = match_valid ? keys_bits[4*(LATENCY-1) +: 4] : anything;

  assign match_valid = keys[LATENCY-1];
  assign match_hit = bits[3];
  assign match_drop = bits[2];
  assign match_index = bits[1:0];
  assign match_queue = bits[1:0];
  assign match_marks = bits[0];
  assign match_mark = bits[1];
  // Others than the index.
  assign match_life = {bits[0], bits[1]};
  assign match_generation = 0;
  assign generation = 0;
  assign {read_hits, read_bytes} = 0;

endmodule

`default_nettype wire
