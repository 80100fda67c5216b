#!/usr/bin/perl

# The module: hundreds of shards held at once, and what bounds a hold: order,
# clients that leave, the head's worker killed, a reload; bytes, the client's
# deadline, a worker's connections.

use warnings;
use strict;

use Test::More;
use Time::HiRes qw/ time /;

use ShardTest;

my $held = 320;
my $t = ShardTest->new(shards => 400);
my $port = free_port();

my $seed = $ENV{TAP_SEED} || int(rand(1e6));
diag("seed $seed");
srand($seed);

$t->{nodes}{n1} = { name => 'n1', addr => "127.0.0.1:$port", capacity => 100,
                    zone => 'z1' };

$t->start_redis();
$t->seed(nodes => [ 'n1' ], silent => 1);

$t->start_nginx_node($port, <<"CONF");
access_log off;

server {
    listen 127.0.0.1:$port;

    location / {
        return 200 "\$request_uri";
    }
}
CONF

my $limits = 'shard_hold max=2000 bytes=100k timeout=%s '
             . 'deadline=$http_x_deadline;';

$t->start_nginx(upstream => sprintf $limits, '60s');
wait_for { $t->get('/', 'X-Key' => 'a')->{status} == 200 } 5, 'a table';


# shards, in one change of the table

sub hold {
    return $t->followed($t->commit_shards(
        { phase => 'held', migration => '00000000000000ab' }, @_));
}

sub release {
    return $t->followed($t->commit_shards(
        { phase => 'steady', migration => undef }, @_));
}

sub waiting { return $t->api('')->{waiting} }
sub workers { return $t->process('nginx')->children() }

sub barriers { return $t->router()->{barriers} }

sub statuses { return $t->statuses(15, @_) }


# the worker that has this connection

sub owner {
    my ($s) = @_;

    my $want = sprintf '%04X %04X', $t->{nginx_port}, $s->sockport();

    for (split /\n/, slurp('/proc/net/tcp')) {
        my ($local, $remote, $inode) =
            /:([0-9A-F]{4}) \w+:([0-9A-F]{4}) \w\w (?:\S+\s+){5}(\d+)/ or next;

        next if "$local $remote" ne $want;

        for my $pid (workers()) {
            return $pid if grep { (readlink($_) || '') eq "socket:[$inode]" }
                           glob "/proc/$pid/fd/*";
        }
    }

    return 0;
}


sub answered {
    my ($s) = @_;

    my $bits = '';
    vec($bits, fileno($s), 1) = 1;

    return select($bits, undef, undef, 0);
}


# in the order of tickets: numbers of requests by shard

sub released {
    my ($name) = @_;

    my %order;
    my $log = $t->error_log();

    push @{ $order{$1} }, $2
        while $log =~ /shard (\d+) released .*? request: "\w+ \/$name(\d+) /g;

    return \%order;
}

# a shard's numbers rise: requests were sent one after the other

sub in_order {
    my ($order) = @_;

    return !grep {
        my @n = @{ $order->{$_} };
        grep { $n[$_] < $n[$_ - 1] } 1 .. $#n;
    } keys %$order;
}


# what metrics entries say was parked, of all shards

sub counted {
    my %held;

    for my $entry ($t->redis()->stream($t->key('metrics'))) {
        my ($name, $rest) = unpack 'x4 C/a x28 a*', $entry->[1]{m};
        my ($sections, $body) = unpack 'v a*', $rest;

        while ($sections--) {
            my ($type, $length) = unpack 'v V', $body;
            my $text = substr($body, 6, $length);
            $body = substr($body, 6 + $length);
            next if $type != 1;

            for my $n (0 .. unpack('V', $text) - 1) {
                my ($id, $held) = unpack 'V x40 V', substr($text, 4 + 48 * $n);
                $held{$id} += $held;
            }
        }
    }

    my $sum = 0;
    $sum += $_ for values %held;
    return $sum;
}


# hundreds of shards at once

my @shards = 0 .. $held - 1;
my @sockets;

hold(@shards);
wait_for { keys %{ barriers() } == $held } 5, 'a barrier for each';
wait_for { !grep { !$_->{drained} } values %{ barriers() } } 5, 'all drained';
pass("$held shards held and drained");

# one of the others, and the keys that are held

my (@keys, $free);

for my $n (1 .. 2000) {
    last if @keys == 600;

    my $before = waiting();
    my $s = $t->send_request("/many$n", key => "k$n");

    if (wait_for { waiting() > $before || answered($s) } 5, "request $n"
        and waiting() > $before)
    {
        push @keys, "k$n";
        push @sockets, $s;

    } else {
        $free = "k$n";
    }
}

is(scalar @keys, 600, '600 requests wait');
ok(defined $free, 'others do not');
is($t->get('/', 'X-Key' => $free)->{status}, 200, 'and need not');

wait_for {
    my $sum = 0;
    $sum += $_->{waiting} for values %{ barriers() };
    $sum == 600;
} 5, 'barriers tell of them';

# some clients leave

my %left = map { $_ => 1 } map { int(rand(@sockets)) } 1 .. 50;

close $sockets[$_] for keys %left;
wait_for { waiting() == 600 - keys %left } 5, 'some left';

release(@shards);
is_deeply(statuses(map { $sockets[$_] } grep { !$left{$_} } 0 .. $#sockets),
          { 200 => 600 - keys %left }, 'the others are all answered');

my $order = released('many');

ok(in_order($order), 'each shard in arrival order');
cmp_ok(scalar keys %$order, '>', 200, 'over ' . keys(%$order) . ' shards');
wait_for { !%{ barriers() } } 5, 'no barrier any more';
ok(eval { wait_for { counted() == 600 } 5, 'it' }, 'metrics count what was parked')
    or diag(counted() . ' counted');


# who has the first ticket of many is killed; a reload meanwhile

my $key = $keys[0];
my ($shard) = $t->get('/', 'X-Key' => $key)->{headers}{'x-shard-id'};

$t->allow(qr/exited on signal 9/);
hold($shard);
@sockets = ();

for my $n (1 .. 40) {
    push @sockets, $t->send_request("/head$n", key => $key);
    wait_for { waiting() == $n } 3, "$n waiting";
}

my @owners = map { owner($_) } @sockets;
my $victim = $owners[0];
my @others = grep { $owners[$_] && $owners[$_] != $victim } 0 .. $#owners;

ok($victim && @others, 'both workers have some');
kill 'KILL', $victim;
wait_for { $t->error_log() =~ /worker $victim died/ } 5, 'buried';
wait_for { waiting() == @others } 5, 'its requests wait no more';

$t->reload();
push @sockets, $t->send_request('/head41', key => $key);
wait_for { waiting() > @others } 3, 'one that came after the reload';

release($shard);
is_deeply(statuses(@sockets[@others, 40]), { 200 => @others + 1 },
          'the other worker\'s go on');

$order = released('head');
is("@{ $order->{$shard} }", join(' ', (map { $_ + 1 } @others), 41),
   'in arrival order');


# bytes

hold($shard);
@sockets = $t->send_request('/bytes1', key => $key, body => 'b' x 60000);
wait_for { waiting() == 1 } 3, 'one waits';

my ($status, $text) = $t->answer($t->send_request('/bytes2', key => $key,
                                                  body => 'b' x 60000));
is($status, 503, 'beyond bytes: 503');
like($text, qr/Retry-After: 1/, 'with Retry-After');
like($t->error_log(), qr/shard $shard: more than 102400 bytes held/, 'says so');

push @sockets, $t->send_request('/bytes3', key => $key, body => 'b' x 20000);
wait_for { waiting() == 2 } 3, 'a smaller one waits';
release($shard);
is_deeply(statuses(@sockets), { 200 => 2 }, 'both are answered');


# the client's deadline

$t->reload(upstream => sprintf $limits, '3s');
hold($shard);

for my $case ([ 1500, '1500', 1 ], [ 1000, '1S', 1 ], [ 1200, '1200m', 1 ],
              [ 3000, 'soon', 0 ], [ 3000, '9000', 0 ])
{
    my ($ms, $value, $sooner) = @$case;

    my $begin = time();
    ($status, $text) = $t->answer($t->send_request(
        '/deadline', key => $key, headers => "X-Deadline: $value\r\n"));
    my $took = (time() - $begin) * 1000;
    my ($held_ms) = $text =~ /X-Shard-Held-Ms: (\d+)/;

    is($status, 503, "deadline \"$value\": 503");
    cmp_ok($held_ms, '>=', $ms - ($sooner ? 120 : 0), 'not long before it');
    cmp_ok($took, '<', $ms + 1500, 'and in time');
}

($status, $text) = $t->answer($t->send_request(
    '/deadline', key => $key, headers => "X-Deadline: 0\r\n"));
is($status, 503, 'no time left: 503');
is(waiting(), 0, 'without waiting');
release($shard);


# a worker's connections: 100, half of which may be held

$t->reload(upstream => sprintf($limits, '60s'),
           connections => 100);
wait_for { workers() == 2 } 15, 'old workers are gone';
hold($shard);

@sockets = map { $t->send_request("/cap$_", key => $key) } 1 .. 130;
wait_for {
    my $refused = () = $t->error_log() =~ /half of worker_connections/g;
    $refused + waiting() == 130;
} 10, 'parked or refused';

cmp_ok(waiting(), '<=', 100, 'at most half of the connections are held');
cmp_ok(waiting(), '<', 130, 'more were refused');

my %got;
$got{$t->get("/other$_", 'X-Key' => $free, Connection => 'close')->{status}}++
    for 1 .. 60;
is_deeply(\%got, { 200 => 60 }, 'what is not held is served all the same');

my $n = waiting();
release($shard);
is_deeply(statuses(@sockets), { 200 => $n, 503 => 130 - $n },
          'what was held is answered, the others had their 503');
unlike($t->error_log(), qr/worker_connections are not enough/,
       'never out of connections');

$t->finish();
done_testing();
