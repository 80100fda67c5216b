#!/usr/bin/perl

# The module: drained means drained.  Traffic goes on while shards are held
# and released at random, a worker is killed and nginx reloaded: a shard that
# a barrier says is drained begins no request at its node until it is released.

use warnings;
use strict;

use Test::More;
use IO::Select;
use IO::Socket::INET;
use JSON::PP;
use POSIX ();
use Time::HiRes qw/ time /;

use ShardTest;

my $seconds = 8;
my $nshards = 40;
my $connections = 200;

my $seed = $ENV{TAP_SEED} || int(rand(1e6));
diag("seed $seed");
srand($seed);

my $t = ShardTest->new(shards => $nshards);
my $port = free_port();
my $dir = $t->dir();

$t->{nodes}{n1} = { name => 'n1', addr => "127.0.0.1:$port", capacity => 100,
                    zone => 'z1' };

$t->start_redis();
$t->seed(nodes => [ 'n1' ], silent => 1);

# its log: when a request began, and of which shard

$t->start_nginx_node($port, <<"CONF");
log_format began '\$msec \$request_time \$http_x_shard_id';
access_log $dir/began.log began;
keepalive_requests 1000000;

server {
    listen 127.0.0.1:$port;

    location / {
        return 200 "ok";
    }

    location /slow {
        limit_rate 2000;
        return 200 "@{[ 'x' x 2400 ]}";
    }
}
CONF

$t->start_nginx(upstream => "shard_hold max=4096 timeout=30s;\n"
                            . '        keepalive 32;');
wait_for { $t->get('/', 'X-Key' => 'a')->{status} == 200 } 5, 'a table';


# traffic, in a process of its own: one request after the other on each
# connection; says how each ended

sub traffic {
    my ($out) = @_;

    my $all = IO::Select->new();
    my $parent = getppid();
    my (%text, %got, $stop);

    local $SIG{TERM} = sub { $stop = 1 };
    local $SIG{PIPE} = 'IGNORE';

    my $begin = sub {
        my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$t->{nginx_port}");

        if (!$s) {
            $got{refused}++;
            return;
        }

        my $uri = rand() < 0.04 ? '/slow' : '/';

        print $s "GET $uri HTTP/1.1\r\nHost: x\r\nX-Key: k"
                 . int(rand(5000)) . "\r\nConnection: close\r\n\r\n";
        $s->blocking(0);
        $text{fileno $s} = '';
        $all->add($s);
    };

    while (!$stop && getppid() == $parent) {
        $begin->() for $all->count() + 1 .. $connections;

        for my $s ($all->can_read(0.1)) {
            next if sysread($s, $text{fileno $s}, 65536,
                            length $text{fileno $s});

            my ($status) = $text{fileno $s} =~ m!^HTTP/1.1 (\d+)!;
            $got{defined $status ? $status : 'none'}++;
            $all->remove($s);
            close $s;
        }
    }

    print $out encode_json(\%got);
    close $out;
    POSIX::_exit(0);
}

pipe(my $in, my $out);

my $child = fork();
die "fork: $!" if !defined $child;

if ($child == 0) {
    close $in;
    traffic($out);
}

close $out;


# lines of the node's log from an offset: [began, shard, ended]

sub began {
    my ($offset) = @_;

    open(my $f, '<', "$dir/began.log") or die "began.log: $!";
    seek($f, $offset, 0);

    return map { /^([\d.]+) ([\d.]+) (\d+)$/ ? [ $1 - $2, $3, $1 ] : () }
           readline($f);
}


my ($rounds, $wrong, $late, $passed, @told) = (0, 0, 0, 0);
my $until = time() + $seconds;
my $killed = 0;

$t->allow(qr/exited on signal 9/);

while (time() < $until || $rounds < 6) {
    my @shards = grep { rand() < 0.15 } 0 .. $nshards - 1;
    next if !@shards;

    my %held = map { $_ => 1 } @shards;
    my $version = $t->commit_shards(
        { phase => 'held', migration => '00000000000000ab' }, @shards);

    wait_for {
        my $barriers = $t->router()->{barriers};
        my @drained = grep { $_->{drained} && $_->{version} >= $version }
                      map { $barriers->{$_} || {} } @shards;
        @drained == @shards;
    } 15, 'all drained';

    my $mark = time();
    my $offset = -s "$dir/began.log";

    # others go on meanwhile, until all clients wait

    wait_for {
        time() > $mark + 0.15 && began($offset) > 30
        || $t->api('')->{waiting} > $connections * 0.9
    } 10, 'traffic of other shards';

    for my $line (began($offset)) {
        $passed++;
        next if !$held{$line->[1]};

        # what ended before the mark may be logged behind it

        $late++ if $line->[2] > $mark + 0.1;
        next if $line->[0] <= $mark + 0.002;
        $wrong++;
        push @told, sprintf('shard %d at %.3f, drained at %.3f', $line->[1],
                            $line->[0], $mark);
    }

    $t->commit_shards({ phase => 'steady', migration => undef }, @shards);

    $rounds++;

    if ($rounds == 2) {
        my ($victim) = $t->process('nginx')->children();
        $killed = kill 'KILL', $victim;
    }

    $t->reload() if $rounds == 4;
}

kill 'TERM', $child;
my $answers = decode_json(join '', readline($in));
waitpid $child, 0;

diag("$rounds rounds, $passed requests while something was held");
cmp_ok($rounds, '>', 5, 'shards were held and drained');
is($killed, 1, 'a worker was killed meanwhile');
is($wrong, 0, 'nothing of a drained shard began at its node')
    or diag(join "\n", @told[0 .. ($#told > 9 ? 9 : $#told)]);

is($late, 0, 'nothing of it was still on its way');

cmp_ok($answers->{200}, '>', 500, "$answers->{200} requests answered");
cmp_ok($answers->{none} || 0, '<=', $connections,
       'none but the killed worker\'s were lost');
ok(!(grep { !/^(200|none)$/ } keys %$answers), 'and none refused')
    or diag(encode_json($answers));

$t->finish();
done_testing();
