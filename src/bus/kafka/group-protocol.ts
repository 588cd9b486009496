import kafkajs from 'kafkajs';
import { assign, type Member, type Topic } from './assignment.ts';

const { MemberMetadata, MemberAssignment } = kafkajs.AssignerProtocol;

/** What a member tells the group: its topics, and what it has as this member. */
export interface Subscription {
  readonly topics: readonly string[];
  /** Empty: none yet. What was had as another member is had no more. */
  readonly memberId: string;
  /** `topic/partition`. */
  readonly claims: readonly string[];
}

/** As a subscription of Kafka's consumer protocol, so that its tools can show the group. */
export function encodeSubscription({ topics, memberId, claims }: Subscription): Buffer {
  const userData = Buffer.from(JSON.stringify({ memberId, claims }));
  return MemberMetadata.encode({ version: 0, topics: [...topics], userData });
}

/** The members as they told it; one that cannot be read has nothing. */
export function decodeMembers(
  members: readonly { readonly memberId: string; readonly memberMetadata: Buffer }[],
): readonly Member[] {
  return members.map(({ memberId: id, memberMetadata }) => {
    const decoded = MemberMetadata.decode(memberMetadata);
    return { id, topics: new Set(decoded?.topics), claims: new Set(claimsOf(id, decoded?.userData)) };
  });
}

function claimsOf(id: string, userData: Buffer | undefined): readonly string[] {
  try {
    const { memberId, claims } = JSON.parse(String(userData)) as Partial<Subscription>;
    return memberId === id && Array.isArray(claims) ? claims.filter((one) => typeof one === 'string') : [];
  } catch {
    return [];
  }
}

/** What each member gets, as the group's leader says it. */
export function encodeAssignments(
  topics: readonly Topic[],
  members: readonly Member[],
): { readonly memberId: string; readonly memberAssignment: Buffer }[] {
  return [...assign(topics, members)].map(([memberId, names]) => {
    const assignment: Record<string, number[]> = {};
    for (const name of names) {
      const slash = name.lastIndexOf('/');
      assignment[name.slice(0, slash)] ??= [];
      assignment[name.slice(0, slash)]!.push(Number(name.slice(slash + 1)));
    }
    const memberAssignment = MemberAssignment.encode({ version: 0, assignment, userData: Buffer.alloc(0) });
    return { memberId, memberAssignment };
  });
}

/** What this member gets, as `topic/partition`. */
export function decodeAssignment(memberAssignment: Buffer): readonly string[] {
  const { assignment = {} } = MemberAssignment.decode(memberAssignment) ?? {};
  return Object.entries(assignment).flatMap(([topic, partitions]) => partitions.map((n) => `${topic}/${n}`));
}
