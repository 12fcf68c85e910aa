import { RequestPipe } from '../../common/request.pipe.js';
import { CreateTokenRequest, UpdateTokenRequest } from '../../tokens/dto/token.request.js';
import type { TokenDraft } from '../../tokens/token-issuer.service.js';
import type { TokenChanges } from '../../tokens/tokens.service.js';
import type { AnnotationArgument, PropertiesArgument } from './arguments.js';
import { toNewTokenRequest, toTokenRequest } from './translate.js';

const pipe = new RequestPipe();

/** A new token by the rules that hold in every dialect. @throws Refusal request.invalid, which names each offender */
export async function draftOf(
  properties: PropertiesArgument,
  annotations: readonly AnnotationArgument[] | undefined,
): Promise<TokenDraft> {
  const request = toNewTokenRequest(properties, annotations);
  const valid = await pipe.transform(request, { type: 'body', metatype: CreateTokenRequest });
  return CreateTokenRequest.toDraft(valid as CreateTokenRequest);
}

/** The same for changes of a token. */
export async function changesOf(
  properties: PropertiesArgument,
  annotations: readonly AnnotationArgument[] | undefined,
): Promise<TokenChanges> {
  const request = toTokenRequest(properties, annotations);
  const valid = await pipe.transform(request, { type: 'body', metatype: UpdateTokenRequest });
  return UpdateTokenRequest.toChanges(valid as UpdateTokenRequest);
}
