#!/usr/bin/perl

# A table that takes all of its zone: a shard that leaves and one that comes
# in the same change have to share a slot.  Requests beside it, with keys of
# both, reach the node that has them, whichever of the two is there.

use warnings;
use strict;

use Test::More;
use JSON::PP;
use POSIX ();

use ShardTest;

my $changes = 30;
my $clients = 4;

my $t = ShardTest->new(shards => 4, keyspace => 'orders', workers => 2);
my ($first, $second) = (free_port(), free_port());

$t->{follow_seconds} = 60;
$t->start_redis('--appendonly', 'no');
$t->redis()->command('FUNCTION', 'LOAD', 'REPLACE', $t->library());

# positions 0    0x30   0x60   0x90   0xc0                     0x100
#           | 0  |  1   |  2   |  3   | 4, 5, 6 ... all narrow  |
#           |   first   |   second    |          first          |

sub record {
    my ($lo, $hi, $node) = @_;
    return encode_json({ lo => $lo, hi => $hi, primary => $node, epoch => 1 });
}

sub narrow { return sprintf '%08x00000000', 0xc0000000 + $_[0] * 2 ** 8 }

sub write_table {
    my ($shards) = @_;

    my $r = $t->redis();
    my @wide = map { "${_}0" . '0' x 14 } qw/ 0 3 6 9 c /;
    my @records = map {
        $_ < 4 ? record(@wide[$_, $_ + 1], $_ < 2 ? 'first' : 'second')
               : record(narrow($_ - 4),
                        $_ < $shards - 1 ? narrow($_ - 3) : undef, 'first')
    } 0 .. $shards - 1;

    $r->command('DEL', map { $t->key($_) } qw/ meta table nodes log /);
    $r->command('HSET', $t->key('nodes'),
        map { ($_->[0], encode_json({ addr => "127.0.0.1:$_->[1]", zone => "z1",
                                      capacity => 100, state => 'up' })) }
            [ 'first', $first ], [ 'second', $second ]);

    for (my $id = 0; $id < $shards; $id += 5000) {
        my $last = $id + 4999 < $shards ? $id + 4999 : $shards - 1;
        $r->command('HSET', $t->key('table'),
                    map { ($_, $records[$_]) } $id .. $last);
    }

    $r->command('HSET', $t->key('meta'), kind => 'hash',
                version => $shards);
}

write_table(5);

$t->{nginx_port} = free_port();
$t->start_nginx(
    zone => '16m', state => '',
    upstream => "shard_hold max=4096 timeout=30s;\n        keepalive 64;",
    http => join("\n", map { "server { listen 127.0.0.1:$_; "
                             . "location / { return 200 $_; } }" }
                       $first, $second));

wait_for { $t->api('')->{shards} == 5 } 30, 'a small table';

my $room = $t->api('')->{shards_max};
cmp_ok($room, '>', 50_000, "a zone with room for $room shards");

write_table($room);
wait_for { $t->api('')->{shards} == $room } 60, 'a table that fills it';


# keys of shards 1 and 3: either is part of the one before it, in turn

my %keys;

for my $n (1 .. 400) {
    my $id = $t->get('/', 'X-Key' => "key$n")->{headers}{'x-shard-id'};
    push @{ $keys{$id} }, "key$n" if $id == 1 || $id == 3;
}

is(join(' ', sort keys %keys), '1 3', 'keys of both');

my %bound = map { $_ => $t->shard_record($_) } 1, 3;

sub apart {
    my ($id) = @_;
    return ($t->changed_shard($id - 1, hi => $bound{$id}{lo}),
            'shard', $id, encode_json($bound{$id}));
}

sub joined {
    my ($id) = @_;
    return ($t->changed_shard($id - 1, hi => $bound{$id}{hi}),
            'shard', $id, '');
}

# the slot of shard 3 goes to a half of shard 4

$t->followed($t->committed('keyspace', joined(3)));
is($t->api('')->{shards}, $room - 1, 'one slot is free');

my $half = 'c0000080' . '0' x 8;
my $hi = $t->shard_record(4)->{hi};

$t->followed($t->committed('keyspace', $t->changed_shard(4, hi => $half),
                           'shard', $room, record($half, $hi, 'first')));
is($t->api('')->{shards}, $room, 'and none any more');


# each on a connection of its own, until the file "stop" is there: how many
# answers, and those of the wrong node

my $stop = $t->dir() . '/stop';

sub client {
    my ($n) = @_;

    my $file = $t->dir() . "/client.$n";
    my $pid = fork();
    die "fork: $!\n" if !defined $pid;
    return [ $pid, $file ] if $pid;

    my @ids = map { $_ % 2 ? 1 : 3 } 1 .. 16;
    my @want = map { $_ == 1 ? $first : $second } @ids;
    my ($round, $answers, %wrong) = (0, 0);
    my $s = $t->connect_to('');

    while (!-e $stop) {
        my $got = ask($s, map { $keys{$_}[$round % @{ $keys{$_} }] } @ids);

        for my $i (0 .. $#want) {
            next if $got->[$i] eq "200 $want[$i]";
            $wrong{"shard $ids[$i]: $got->[$i], not 200 $want[$i]"}++;
        }

        $answers += @want;
        $round++;
    }

    spew("$file.tmp", encode_json({ answers => $answers, wrong => \%wrong }));
    rename("$file.tmp", $file);
    POSIX::_exit(0);
}

# one behind the other, answers too: "200 8080"

sub ask {
    my ($s, @keys) = @_;

    my ($text, @got) = ('');

    print $s map { "GET / HTTP/1.1\r\nHost: x\r\nX-Key: $_\r\n\r\n" } @keys;

    while (@got < @keys) {
        sysread($s, $text, 65536, length $text) or die "client: closed: $text\n";
        push @got, "$1 $2"
            while $text =~ s/^HTTP\S+ (\d+).*?\r\n\r\n(\d+)//s;
    }

    return \@got;
}

my @clients = map { client($_) } 1 .. $clients;
my $here = 1;

for my $change (1 .. $changes) {
    $t->followed($t->committed('keyspace', joined($here), apart(4 - $here)));
    $here = 4 - $here;
    die "change $change: not all slots are in use\n"
        if $t->api('')->{shards} != $room;
}

spew($stop, '');

my ($answers, %wrong) = (0);

for my $client (@clients) {
    waitpid $client->[0], 0;
    my $got = decode_json(slurp($client->[1]));
    $answers += $got->{answers};
    $wrong{$_} += $got->{wrong}{$_} for keys %{ $got->{wrong} };
}

is(join(', ', map { "$wrong{$_} of $_" } sort keys %wrong), '',
   "$changes changes of which each takes the slot it frees: "
   . "none of $answers requests went to the wrong node");

is($t->api('')->{rejected_updates}, 0, 'no change was refused');

$t->finish();
done_testing();
