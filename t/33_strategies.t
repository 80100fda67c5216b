#!/usr/bin/perl

# The module: where a moving shard's requests go, by its strategy.  Nodes are
# servers of the same nginx; a path "/at-n1n2" is there on n1 and n2 only.

use warnings;
use strict;

use Test::More;

use ShardTest;

my $t = ShardTest->new(shards => 1, follow_seconds => 2);
my %port = map { $_ => free_port() } qw/ n1 n2 n3 n4 /;

$t->{nodes}{$_} = { name => $_, addr => "127.0.0.1:$port{$_}", capacity => 100,
                    zone => 'z1' } for keys %port;

$t->start_redis();
$t->seed(nodes => [ 'n1' ], silent => 1, record => { standbys => [ 'n3' ] });

# n4 is nobody: its port is closed

my $backends = <<'CONF' . join '', map { <<"CONF" } qw/ n1 n2 n3 /;
map "$shard_test_node:$uri" $shard_test_has {
    default                0;
    "~^(n\d):/at-\S*\1"    1;
}
CONF
server {
    listen 127.0.0.1:$port{$_};
    set \$shard_test_node $_;

    location / {
        return 200 "$_ \$http_x_shard_role \$request_method \$http_range";
    }

    location /at- {
        if (\$shard_test_has) {
            return 200 "$_ \$http_x_shard_role \$request_method \$http_range";
        }

        return 404 "$_ has it not";
    }

    location /gone {
        if (\$http_x_shard_role = primary) {
            return 200 "$_ primary";
        }

        return 410;
    }
}
CONF

my $location = <<'CONF';
proxy_set_header   X-Shard-Id    $shard_id;
proxy_set_header   X-Shard-Role  $shard_role;
proxy_http_version 1.1;
proxy_set_header   Connection    "";
add_header         X-Tries       $upstream_status always;
add_header         X-Shard-Node  $shard_node always;
add_header         X-Shard-State $shard_state always;
add_header         X-Shard-Role  $shard_role always;

location /at-  { proxy_pass http://orders; }
location /gone { proxy_pass http://orders; }
location /only { proxy_pass http://orders; proxy_next_upstream off; }
CONF

$t->start_nginx(http => $backends, server => $location);
wait_for { $t->get('/', 'X-Key' => 'a')->{status} == 200 } 5, 'a table';


sub update { return $t->update_shard(0, @_) }

sub moving {
    update(phase => 'shifting', target => 'n2', shift => 0,
           migration => '00000000000000ab', @_);
}


# "node role tries state" of the answer; tries are statuses, one a node

sub sent {
    my ($path, $method, %headers) = @_;

    my $got = $t->request($method || 'GET', $path,
                          $method && $method ne 'HEAD' ? 'body' : undef,
                          'X-Key' => 'a', %headers);
    my $h = $got->{headers};

    return join ' ', map { defined $_ ? $_ : '-' } $got->{status},
                     @$h{qw/ x-shard-node x-shard-role x-shard-state /},
                     $h->{'x-tries'};
}


# copy-on-write

moving(strategy => 'copy-on-write');

is(sent('/at-n2'), '200 n2 target shifting 200', 'copied: the target answers');
is(sent('/at-n1n2'), '200 n2 target shifting 200', 'and is asked first');
is(sent('/at-n1'), '200 n1 primary shifting 404, 200',
   'not yet copied: the source answers');
is($t->get('/at-n1', 'X-Key' => 'a')->{content}, 'n1 primary GET ',
   'as primary');
is(sent('/at-n1', 'HEAD'), '200 n1 primary shifting 404, 200', 'HEAD, too');
is(sent('/at-n3'), '404 n1 primary shifting 404, 404',
   'nowhere: the source says so');
is($t->get('/at-n3', 'X-Key' => 'a')->{content}, 'n1 has it not',
   'the client sees the last answer only');
is($t->get('/at-n1', 'X-Key' => 'a', Range => 'bytes=1-2')->{content},
   'n1 primary GET bytes=1-2', 'a range is asked for at the source, too');

for my $method (qw/ PUT POST DELETE /) {
    is(sent('/at-n1n2', $method), '200 n2 target shifting 200',
       "$method goes to the target at shift 0");
    is(sent('/at-n1', $method), '404 n2 target shifting 404',
       "$method has one node, and its 404");
}

is(sent('/only/x'), '200 n2 target shifting 200', 'any other answer counts');

moving(strategy => 'copy-on-write', shift => 10000);
is(sent('/at-n1'), '200 n1 primary shifting 404, 200',
   'until the copy is complete');

moving(strategy => 'copy-on-write', target => 'n4');
is(sent('/at-n1'), '200 n1 primary failover 502, 200',
   'a target out of reach: the source answers reads');
is(sent('/only/x'), '200 n1 primary failover 502, 200',
   'whatever "proxy_next_upstream" says');
is(sent('/at-n1', 'PUT'), '502 n4 target shifting 502', 'and no writes');

moving(strategy => 'copy-on-write', primary => 'n4', epoch => 2);
is(sent('/at-n3'), '200 n3 standby failover 404, 502, 200',
   'a source out of reach: its standby answers');
is(sent('/at-n1'), '404 n3 standby failover 404, 502, 404', 'also for no');
is(sent('/at-n2'), '200 n2 target shifting 200', 'if it must');
update(standbys => []);
is(sent('/at-n1'), '502 n4 primary shifting 404, 502',
   'nobody believes a miss while the source is silent');
update(primary => 'n1', epoch => 3, standbys => [ 'n3' ]);

$t->reload(http => $backends, server => $location, shard_args => ' miss=410');
wait_for { sent('/gone') =~ /^200/ } 3, 'miss=410';
is(sent('/gone'), '200 n1 primary shifting 410, 200', 'miss=410');
is(sent('/at-n1'), '404 n2 target shifting 404', 'then 404 is an answer');
$t->reload(http => $backends, server => $location);
wait_for { sent('/gone') =~ /^410/ } 3, 'miss=404';


# the others

moving(strategy => 'queue', shift => 10000);
is(sent('/', 'POST'), '200 n1 - shifting -', 'queue: all stays with the source');
is(sent('/at-n1'), '200 n1 primary shifting 200', 'reads, too');
update(consistency => 'eventual');
is(sent('/at-n1'), '200 n1 primary shifting 200', 'eventual ones as well');

moving(strategy => 'log-shipping', shift => 10000);
is(sent('/at-n1n2'), '200 n2 target shifting 200', 'eventual reads shift');
is(sent('/at-n1', 'PUT'), '200 n1 primary shifting 200', 'writes do not');
update(consistency => 'strong');
is(sent('/at-n1'), '200 n1 primary shifting 200', 'nor do strong reads');

moving(strategy => 'stateless', shift => 10000);
is(sent("/at-n2", $_), '200 n2 target shifting 200', "stateless: $_ shifts")
    for qw/ GET PUT POST DELETE /;
moving(strategy => 'stateless', shift => 10000, target => 'n4');
is(sent('/at-n1'), '200 n1 primary failover 502, 200',
   'both ends of a stateless shift can answer');


# key-sticky, and monotone under any walk

my $seed = $ENV{TAP_SEED} || time();
srand($seed);
diag("TAP_SEED=$seed");

my (%at, $wrong);
my $shift = 0;

for my $step (0 .. 7) {
    my $next = $step < 7 ? int(rand(10001)) : 0;

    moving(strategy => 'stateless', shift => $next);

    for my $n (1 .. 60) {
        my $node = $t->get('/', 'X-Key' => "key$n")->{headers}{'x-shard-node'};

        $wrong .= " key$n:$node at $next after $shift"
            if $at{$n} && $node ne $at{$n}
               && ($node eq 'n2') != ($next > $shift);
        $at{$n} = $node;
    }

    $shift = $next;
}

is($wrong, undef, 'keys cross on the way up, and return on the way down');
is(scalar(grep { $_ ne 'n1' } values %at), 0, 'all are back at 0');

$t->finish();
done_testing();
